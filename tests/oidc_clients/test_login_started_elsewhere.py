"""Third-party-initiated login (OpenID Connect Core §4) as the sample app does it: at its own provider, for its own pages."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.oidc_clients.registering import registered
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp

APP = Path(__file__).parents[2] / "examples" / "login_with" / "app.py"
BASE = "https://shop.test"


@pytest.fixture(scope="session")
def sample() -> Any:
    sys.path.insert(0, str(APP.parent))  # as Python does for a script
    spec = importlib.util.spec_from_file_location("login_with_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shop(registry: RunningIdp, sample: Any) -> Iterator[FlaskClient]:
    """The app's own side of a browser, at a client that registered where others may start a login."""
    client = registered(
        registry.url,
        redirect_uris=[f"{BASE}/callback"],
        initiate_login_uri=f"{BASE}/login/start",
        grant_types=["authorization_code", "refresh_token"],
    ).document
    config = sample.Config(
        issuer=registry.issuer,
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        api=registry.issuer,
        base_url=BASE,
        secret_key="k" * 32,
        security_url=f"{registry.issuer}/account/security",
    )
    with sample.create_app(config).test_client() as browser:
        yield browser


def start(shop: FlaskClient, method: str = "GET", **parameters: str) -> Any:
    if method == "GET":
        return shop.get("/login/start", query_string=parameters, base_url=BASE)
    return shop.post("/login/start", data=parameters, base_url=BASE)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_login_that_others_start_ends_where_they_wanted(registry: RunningIdp, shop: FlaskClient, method: str) -> None:
    sent = start(shop, method, iss=registry.issuer, login_hint="alice", target_link_uri=f"{BASE}/payments")
    assert parse_qs(urlsplit(sent.location).query)["login_hint"] == ["alice"]
    browser = Browser(registry.url)
    page = Page(browser.open(sent.location))
    assert page.forms["login"].fields["username"] == "alice"
    consent = Page(browser.submit(page, "login", password=PASSWORD))
    back = browser.submit(consent, "consent", decision="allow").headers["Location"]
    arrived = shop.get(back.removeprefix(BASE), base_url=BASE)
    assert (arrived.status_code, arrived.location) == (302, f"{BASE}/payments")


@pytest.mark.parametrize("issuer", ["https://other.test", "", None])
def test_nobody_elses_provider_is_asked(shop: FlaskClient, issuer: str | None) -> None:
    assert start(shop, **({} if issuer is None else {"iss": issuer})).status_code == 400


@pytest.mark.parametrize("target", ["https://evil.test/", f"{BASE}.evil.test/", "//evil.test", "javascript:alert(1)"])
def test_nobody_is_led_away(registry: RunningIdp, shop: FlaskClient, target: str) -> None:
    assert start(shop, iss=registry.issuer, target_link_uri=target).status_code == 302
    with shop.session_transaction(base_url=BASE) as session:
        assert session["target"] is None
