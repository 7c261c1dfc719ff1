"""An identity provider at which people log in with others, who are simulated over real HTTP."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import pytest

from tests.support import databases
from tests.support.flows import App
from tests.support.provider import Provider
from tests.support.running import RunningIdp
from tests.upstream.support import Upstream


@pytest.fixture(scope="session", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """At `localhost`, where its cookies are apart from those of a provider at 127.0.0.1; strangers may make accounts."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        folder = tmp_path_factory.mktemp("idp")
        settings = {"signup": "on", "signup_max": "1000", "login_max_failures_per_address": "100000"}
        yield stack.enter_context(RunningIdp(folder, url, host="localhost", **settings))


@pytest.fixture(scope="session")
def web_app(idp: RunningIdp) -> App:
    """A web client that people need not be asked about."""
    metadata = {"redirect_uris": ["https://app.test/callback"], "security_profile": "oidc", "consent": "trusted"}
    return App(idp.url, idp.client(client_name="Web App", **metadata))


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of this test's own."""
    with Provider() as running:
        yield running


@pytest.fixture
def upstream(idp: RunningIdp, provider: Provider) -> Iterator[Upstream]:
    """The provider as the identity provider knows it: trusted for addresses."""
    made = Upstream.registered(idp, provider, f"other-{secrets.token_hex(4)}", trusts_email=True)
    yield made
    idp.cli("upstream", "disable", made.name)
