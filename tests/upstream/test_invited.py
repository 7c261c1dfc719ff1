"""Who is invited may come in with a provider that is trusted for addresses; nobody else does where accounts are made by invitation."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import databases
from tests.support.flows import Browser
from tests.support.provider import Provider
from tests.support.running import CliError, RunningIdp
from tests.upstream.support import Upstream, is_home, new_name, stopped, who


@pytest.fixture(scope="module", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """Where accounts are made by invitation; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        folder = tmp_path_factory.mktemp("club")
        yield stack.enter_context(RunningIdp(folder, url, host="localhost", signup="invite"))


@pytest.fixture
def guest(idp: RunningIdp, provider: Provider) -> str:
    """Somebody who is invited, and whom the provider knows."""
    name = new_name()
    provider.person |= {"preferred_username": name, "email": f"{name}@example.com", "email_verified": True}
    idp.cli("user", "invite", f"{name}@example.com", "--role", "editor")
    return name


def invited(idp: RunningIdp) -> str:
    return str(idp.cli("user", "invitations"))


def test_an_invited_person_comes_in_once_with_their_roles(
    upstream: Upstream, provider: Provider, browser: Browser, guest: str
) -> None:
    assert is_home(upstream.log_in(browser), guest)
    person = who(upstream.idp, guest)
    assert (person["roles"], person["email_verified"]) == (["editor"], True)
    assert guest not in invited(upstream.idp)
    provider.person |= {"sub": secrets.token_hex(8), "email": f"{new_name()}@example.com"}
    assert stopped(upstream.log_in(Browser(upstream.idp.url))) == "stranger"


@pytest.mark.parametrize("said", [{"email_verified": False}, {"email": "other@example.com"}, {"email": None}])
def test_who_is_not_invited_stays_outside(
    upstream: Upstream, provider: Provider, browser: Browser, guest: str, said: dict[str, Any]
) -> None:
    provider.person |= said
    assert stopped(upstream.log_in(browser)) == "stranger"
    assert guest in invited(upstream.idp)
    with pytest.raises(CliError):
        who(upstream.idp, guest)


@pytest.mark.parametrize("setting", [{"trusts_email": None}, {"sign_up": "no"}])
def test_the_provider_must_be_trusted_for_addresses_and_let_people_in(
    upstream: Upstream, browser: Browser, guest: str, setting: dict[str, Any]
) -> None:
    upstream.change(**setting)
    assert stopped(upstream.log_in(browser)) == "stranger"
    assert guest in invited(upstream.idp)
