"""Two more APIs, and services that call on with what they were called with."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import API
from tests.delegation.payments import PAYMENT, SCHEMA, WORDS, Payer
from tests.delegation.support import TOKEN_EXCHANGE, USERS, Service
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp

NewService = Callable[..., Service]


@pytest.fixture(scope="session")
def users_api(idp: RunningIdp) -> str:
    """An API that shares the scope `read` with the first one and has scopes of its own; its tokens carry roles."""
    scopes = ("read=Read things", "users:read=See people", "users:write=Change people")
    options = [word for scope in scopes for word in ("--scope", scope)]
    idp.cli("resource", "create", USERS, "--name", "Users", *options, "--claim", "roles")
    return USERS


@pytest.fixture(scope="session")
def new_service(idp: RunningIdp, users_api: str) -> NewService:
    """Makes a service that may exchange tokens of the first API for ones of the users API, or as the options say."""

    def make(*options: str, allow: bool = True, **metadata: Any) -> Service:
        given = {"grant_types": ["client_credentials", TOKEN_EXCHANGE], "audience": [API, users_api], **metadata}
        service = Service(idp.url, idp.client(client_name="A service", **given))
        if allow:
            service.allow(idp, *(options or ("--scope", "users:read", "--scope", "read", "--from-audience", API)))
        return service

    return make


@pytest.fixture(scope="session")
def orders(new_service: NewService) -> Service:
    """The service behind the first API: it may exchange what it is called with for `users:read` and `read` at the users API."""
    return new_service()


@pytest.fixture
def token(idp: RunningIdp, web_app: App, person: str) -> str:
    """A person's access token for the first API."""
    access_token: str = web_app.tokens(Browser(idp.url), person, scope="openid offline_access read")["access_token"]
    return access_token


@pytest.fixture(scope="session")
def payments(idp: RunningIdp, users_api: str) -> str:
    """The registered type `payment_initiation`, for the first API and the users API; its amount may be lowered."""
    idp.cli(
        *("details-type", "create", PAYMENT, "--schema", "-", "--name", "A payment", "--words", WORDS),
        *("--resource", API, "--resource", users_api, "--maximum", "instructed_amount.value"),
        stdin=json.dumps(SCHEMA),
    )
    return PAYMENT


@pytest.fixture(scope="session")
def payer(idp: RunningIdp, payments: str) -> Payer:
    """A confidential app that may ask for payments at two APIs."""
    return Payer(
        idp.url,
        idp.client(
            client_name="Payer",
            redirect_uris=["https://payer.test/cb"],
            grant_types=["authorization_code", "refresh_token"],
            audience=[API, USERS],
            authorization_details_types=[payments],
        ),
    )
