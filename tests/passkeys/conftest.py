"""A provider whose host browsers know by name: passkeys are bound to names, never to addresses."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import pytest

from tests.conftest import API, SCOPES
from tests.passkeys.holder import Holder
from tests.support import databases
from tests.support.flows import App
from tests.support.running import RunningIdp


@pytest.fixture(scope="session", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A running identity provider at `localhost`; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        folder = tmp_path_factory.mktemp("passkeys")
        settings = {"login_max_failures_per_address": "100000"}
        running = stack.enter_context(RunningIdp(folder, url, host="localhost", **settings))
        options = [word for scope in SCOPES for word in ("--scope", scope)]
        running.cli("resource", "create", API, "--name", "The API", *options)
        yield running


@pytest.fixture(scope="session")
def web_app(idp: RunningIdp) -> App:
    """A web client that people need not be asked about."""
    return App(
        idp.url,
        idp.client(
            client_name="Web App",
            redirect_uris=["https://app.test/callback"],
            security_profile="oidc",
            audience=[API],
            consent="trusted",
        ),
    )


@pytest.fixture
def holder(idp: RunningIdp) -> Holder:
    """A person of this test's own with a passkey."""
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name, "--email-verified")
    return Holder.enrolled(idp, name)
