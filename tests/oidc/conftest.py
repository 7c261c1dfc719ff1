"""An OpenID provider with everything switched on, one person who has every claim, and a relying party of each kind."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from idp.platform.ids import digest
from idp.users.models import SessionRow
from tests.oidc.rp import Flow, RelyingParty, registered
from tests.support import databases
from tests.support.flows import Browser
from tests.support.running import RunningIdp

ADDRESS = {"formatted": "1 Street\nTown", "locality": "Town", "country": "GB"}
CLAIMS: dict[str, Any] = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "middle_name": "King",
    "nickname": "Countess",
    "profile": "https://example.com/ada",
    "picture": "https://example.com/ada.png",
    "website": "https://ada.example.com",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "phone_number": "+442079460000",
    "phone_number_verified": True,
    "address": ADDRESS,
}
Relying = Callable[..., RelyingParty]


@pytest.fixture(scope="session", params=databases.KINDS)
def op(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A running provider with implicit and hybrid flows and sign-up; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        settings = {
            "implicit": "true",
            "signup": "on",
            "signup_max": "1000",
            "login_max_failures_per_address": "100000",
        }
        running = stack.enter_context(RunningIdp(tmp_path_factory.mktemp("op"), url, **settings))
        running.user("ada", "--email-verified", *(word for claim in _settable() for word in ("--claim", claim)))
        running.user("bob")
        yield running


def _settable() -> Iterator[str]:
    for name, value in CLAIMS.items():
        if isinstance(value, dict):
            yield from (f"{name}.{part}={text}" for part, text in value.items())
        else:
            yield f"{name}={value if isinstance(value, str) else json.dumps(value)}"


@pytest.fixture(scope="session")
def relying(op: RunningIdp) -> Relying:
    """One client a response type and kind, made when it is first asked for."""
    made: dict[str, dict[str, Any]] = {}

    def find(flow: Flow | str, **metadata: Any) -> RelyingParty:
        flow = Flow(flow) if isinstance(flow, str) else flow
        key = f"{flow.response_type} {json.dumps(metadata, sort_keys=True)}"
        if key not in made:
            made[key] = registered(op, flow, **metadata)
        return RelyingParty(op, flow, made[key])

    return find


@pytest.fixture
def agent(op: RunningIdp) -> Browser:
    """A fresh browser without cookies."""
    return Browser(op.url)


@pytest.fixture
def ada_here(op: RunningIdp, relying: Relying) -> Browser:
    """A browser of this test's own in which ada logged in a minute ago."""
    browser = Browser(op.url)
    relying("code").tokens_of(browser)
    login_earlier(op, browser, 60)
    return browser


@pytest.fixture(scope="session")
def signed_in(op: RunningIdp, relying: Relying) -> Browser:
    """A browser in which ada is logged in."""
    browser = Browser(op.url)
    relying("code").tokens_of(browser)
    return browser


def login_earlier(op: RunningIdp, browser: Browser, seconds: int) -> None:
    """Let the login of this browser have happened so many seconds earlier."""
    change_session(op, browser, auth_time=SessionRow.auth_time - seconds)


def change_session(op: RunningIdp, browser: Browser, **columns: Any) -> None:
    """Let the session of this browser be another than it is."""
    cookie = next(cookie.value for cookie in browser.http.cookies if cookie.name.endswith("idp-session"))
    default = f"sqlite:///{op.folder / 'var' / 'idp.sqlite3'}"
    database = databases.open_database(op.environ.get("IDP_DATABASE_URL", default))
    changed = sa.update(SessionRow).where(SessionRow.digest == digest(cookie or ""))
    with database.write() as tx:
        assert tx.execute(changed.values(**columns)).rowcount == 1
    database.engine.dispose()
