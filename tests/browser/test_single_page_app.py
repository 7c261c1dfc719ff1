"""A single-page app that oidc-client-ts makes, in a real browser on an origin of its own: login, refresh, revocation, logout."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit
from tests.interop.conftest import APPS
from tests.support import node
from tests.support.flows import claims
from tests.support.running import PASSWORD, RunningIdp


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    with RunningIdp(tmp_path_factory.mktemp("spa") / "idp") as running:
        running.user("alice", "--email-verified", "--claim", "name=Alice Example")
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app's files on an origin of their own; `localhost`, so that its cookies are not the provider's."""
    folder = node.packages(tmp_path_factory.mktemp("npm"), "oidc-client-ts@3")
    shutil.copy(folder / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js", folder)
    shutil.copy(APPS / "spa.html", folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def state(page: Page, name: str) -> dict[str, Any]:
    """What the app shows once it is in this state."""
    page.wait_for_function(
        "name => ['error', name].some(word => document.getElementById('state')?.textContent.includes(word))", arg=name
    )
    shown: dict[str, Any] = json.loads(page.locator("#state").inner_text())
    assert shown.get("state") == name, shown
    return shown


def test_oidc_client_ts(visit: Visit, provider: RunningIdp, site: str) -> None:
    client = provider.client(
        redirect_uris=[f"{site}/spa.html"],
        post_logout_redirect_uris=[f"{site}/spa.html"],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
        scope="openid profile offline_access",
    )
    page = visit()
    configuration = json.dumps({"authority": provider.issuer, "client_id": client["client_id"]})
    page.goto(f"{site}/spa.html#configuration={quote(configuration)}")
    state(page, "ready")
    page.click("#login")
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", PASSWORD)
    page.click("#login-submit")
    page.click("#consent-allow")
    first = state(page, "signed in")
    assert first["name"] == "Alice Example"
    assert first["refreshable"]
    page.click("#refresh")
    second = state(page, "refreshed")
    assert claims(second["token"])["jti"] != claims(first["token"])["jti"]
    assert second["sub"] == first["sub"]
    page.click("#revoke")
    assert not state(page, "revoked").get("refreshable")
    page.click("#logout")
    assert state(page, "signed out")["sub"] is None
