"""OpenID Connect Back-Channel Logout 1.0 as apps live it: from a login to the logout token, over HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.logout.receiver import ListeningApp, checked
from tests.support.flows import App, Browser, answer_of, claims
from tests.support.running import RunningIdp

DISCOVERY = "/.well-known/openid-configuration"


def listening(idp: RunningIdp, uri: str, **metadata: Any) -> App:
    """A client that wants logout tokens; trusted, so that a login is one page."""
    document = {
        "redirect_uris": ["https://app.test/callback"],
        "post_logout_redirect_uris": ["https://app.test/bye"],
        "backchannel_logout_uri": uri,
        "backchannel_logout_session_required": True,
        "consent": "trusted",
    }
    return App(idp.url, idp.client(**document, **metadata))


def read(idp: RunningIdp, app: App, token: str) -> dict[str, Any]:
    jwks = requests.get(f"{idp.url}/oauth/jwks").json()
    return checked(token, jwks, issuer=idp.issuer, client_id=app.client_id, now=int(time.time()))


def log_out(app: App, browser: Browser, hint: str) -> requests.Response:
    query = {"id_token_hint": hint, "post_logout_redirect_uri": "https://app.test/bye", "state": "s" * 128}
    return browser.open(requests.Request("GET", f"{app.idp}/oauth/logout", params=query).prepare().url or "")


def test_oidcc_backchannel_logout_discovery_endpoint_verification(idp: RunningIdp) -> None:
    document = requests.get(f"{idp.url}{DISCOVERY}").json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True
    assert document["end_session_endpoint"] == f"{idp.issuer}/oauth/logout"


def test_oidcc_backchannel_rp_initiated_logout(idp: RunningIdp, browser: Browser, person: str) -> None:
    with ListeningApp() as shop_server, ListeningApp() as wiki_server:
        shop, wiki = listening(idp, shop_server.uri), listening(idp, wiki_server.uri)
        tokens = {app: app.tokens(browser, person)["id_token"] for app in (shop, wiki)}
        response = log_out(shop, browser, tokens[shop])
        assert response.headers["Location"] == f"https://app.test/bye?state={'s' * 128}"
        for app, server in ((shop, shop_server), (wiki, wiki_server)):
            [posted] = server.wait()
            told, known = read(idp, app, posted.token), claims(tokens[app])
            assert (told["sub"], told["sid"]) == (known["sub"], known["sid"])
        assert answer_of(browser.open(shop.authorize_url(prompt="none")[0]))["error"] == "login_required"


def test_another_browser_of_the_same_person_stays_logged_in(idp: RunningIdp, browser: Browser, person: str) -> None:
    with ListeningApp() as server:
        app = listening(idp, server.uri)
        here, there = app.tokens(browser, person)["id_token"], app.tokens(other := Browser(idp.url), person)["id_token"]
        assert claims(here)["sid"] != claims(there)["sid"]
        log_out(app, browser, here)
        [posted] = server.wait()
        assert read(idp, app, posted.token)["sid"] == claims(here)["sid"]
        assert "code" in answer_of(other.open(app.authorize_url(prompt="none")[0]))


@pytest.mark.parametrize("command", ["disable", "delete"])
def test_whoever_loses_their_account_is_logged_out_of_the_apps(
    idp: RunningIdp, browser: Browser, person: str, command: str
) -> None:
    with ListeningApp() as server:
        app = listening(idp, server.uri)
        known = claims(app.tokens(browser, person)["id_token"])
        idp.cli("user", command, person)
        [posted] = server.wait()
        told = read(idp, app, posted.token)
        assert (told["sub"], told["sid"]) == (known["sub"], known["sid"])


def test_the_operator_reads_what_became_of_it(idp: RunningIdp, browser: Browser, person: str) -> None:
    with ListeningApp(500) as server:
        app = listening(idp, server.uri)
        token = app.tokens(browser, person)["id_token"]
        assert idp.cli("logout", "list", "--client", app.client_id) == []
        log_out(app, browser, token)
        server.wait(1)
        server.wait(2)
        [line] = _until_delivered(idp, app)
    assert (line["sub"], line["attempts"], line["last_error"]) == (claims(token)["sub"], 2, None)
    assert line["created_at"] <= line["finished_at"] <= time.time()
    assert line in idp.cli("logout", "list", "--limit", "1000")
    shown = idp.run("logout", "list", "--client", app.client_id, "--state", "delivered")
    assert shown.returncode == 0
    assert "delivered  2" in shown.stdout
    assert idp.run("logout", "list", "--state", "lost").returncode == 2


def _until_delivered(idp: RunningIdp, app: App) -> list[dict[str, Any]]:
    """The app has it before the log says so."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found: list[dict[str, Any]] = idp.cli("logout", "list", "--client", app.client_id, "--state", "delivered")
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(idp.cli("logout", "list"))
