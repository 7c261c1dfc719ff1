"""Clients that hold keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import API
from tests.senders.holder import BoundApp
from tests.support.running import RunningIdp

CALLBACK = "https://app.test/callback"


@pytest.fixture
def spa(idp: RunningIdp) -> BoundApp:
    """A public client with a key: its refresh tokens are bound to it."""
    return BoundApp(idp.url, web_client(idp, token_endpoint_auth_method="none"))


@pytest.fixture
def web(idp: RunningIdp) -> BoundApp:
    """A confidential client with a key."""
    return BoundApp(idp.url, web_client(idp))


@pytest.fixture(scope="module")
def worker(idp: RunningIdp) -> BoundApp:
    """A service with a key, which may introspect the API's tokens."""
    return BoundApp(idp.url, idp.client(grant_types=["client_credentials"], audience=[API], introspects=[API]))


def web_client(idp: RunningIdp, **metadata: Any) -> dict[str, Any]:
    """A client with refresh tokens, in which people log in."""
    grants = ["authorization_code", "refresh_token"]
    return idp.client(redirect_uris=[CALLBACK], grant_types=grants, audience=[API], **metadata)
