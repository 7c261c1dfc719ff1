"""Response modes: a code, and every error, reaches the app where it asked, with `state` and `iss` byte for byte."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from tests.oidc.rp import received
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp

MODES = ["query", "fragment", "form_post"]
STATES = ["x" * 128, "a b+c%20&d=e#f?g", "\"'<>&amp;", "ü€😀", " \t ", "x" * 2048]


@pytest.fixture(scope="module")
def app(idp: RunningIdp) -> App:
    """Trusted, so that a login is one page; its redirect URI has a query of its own."""
    return App(idp.url, idp.client(redirect_uris=["https://modes.test/cb?tenant=1"], consent="trusted"))


@pytest.fixture(scope="module")
def signed_in(idp: RunningIdp, app: App) -> Browser:
    browser = Browser(idp.url)
    app.login(browser, "alice")
    return browser


@pytest.mark.parametrize("mode", MODES)
def test_a_code_comes_in_the_mode_that_was_asked_for(app: App, signed_in: Browser, idp: RunningIdp, mode: str) -> None:
    url, verifier = app.authorize_url(response_mode=mode, state="the state")
    answer = received(signed_in.open(url), app.redirect_uri, mode)
    assert answer.keys() == {"code", "state", "iss", "session_state"}
    assert (answer["state"], answer["iss"]) == ("the state", idp.issuer)
    assert app.redeem(answer["code"], verifier).status_code == 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", STATES, ids=ascii)
def test_the_state_comes_back_byte_for_byte(app: App, signed_in: Browser, mode: str, state: str) -> None:
    given = received(signed_in.open(app.authorize_url(response_mode=mode, state=state)[0]), app.redirect_uri, mode)
    assert given["state"] == state
    refused = app.authorize_url(response_mode=mode, state=state, prompt="dance")[0]
    assert received(signed_in.open(refused), app.redirect_uri, mode)["state"] == state


@pytest.mark.parametrize("mode", MODES)
def test_without_a_state_there_is_none_in_the_answer(app: App, signed_in: Browser, mode: str) -> None:
    answer = received(signed_in.open(app.authorize_url(response_mode=mode, state=None)[0]), app.redirect_uri, mode)
    assert answer.keys() == {"code", "iss", "session_state"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", ["x" * 2049, "a\nb", "a\r\nb"], ids=["long", "line", "lines"])
def test_a_state_that_could_not_be_returned_whole_is_refused_and_never_cut(
    app: App, signed_in: Browser, mode: str, state: str
) -> None:
    answer = received(signed_in.open(app.authorize_url(response_mode=mode, state=state)[0]), app.redirect_uri, mode)
    assert answer["error"] == "invalid_request"
    assert "state" not in answer


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "dance"}, "unsupported_response_type"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"scope": "nothing-known"}, "invalid_scope"),
    ({"prompt": "none"}, "login_required"),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("changes", "code"), REFUSALS, ids=[code for _, code in REFUSALS])
def test_an_error_leaves_in_the_mode_of_the_success(
    app: App, idp: RunningIdp, mode: str, changes: dict[str, Any], code: str
) -> None:
    url = app.authorize_url(response_mode=mode, state="s", **changes)[0]
    answer = received(Browser(idp.url).open(url), app.redirect_uri, mode)
    state = {"session_state"} if code == "login_required" else set()
    assert answer.keys() == {"error", "error_description", "state", "iss", *state}
    assert (answer["error"], answer["state"], answer["iss"]) == (code, "s", idp.issuer)
    assert answer["error_description"].isascii()
    assert not set(answer["error_description"]) & set('"\\')


@pytest.mark.parametrize("mode", MODES)
def test_a_person_who_gives_up_is_told_to_the_app_in_its_mode(app: App, idp: RunningIdp, mode: str) -> None:
    browser = Browser(idp.url)
    page = Page(browser.open(app.authorize_url(response_mode=mode)[0]))
    assert received(browser.submit(page, "cancel"), app.redirect_uri, mode)["error"] == "access_denied"


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_remembered_through_the_login(app: App, idp: RunningIdp, mode: str) -> None:
    browser = Browser(idp.url)
    page = Page(browser.open(app.authorize_url(response_mode=mode)[0]))
    response = browser.submit(page, "login", username="alice", password=PASSWORD)
    assert "code" in received(response, app.redirect_uri, mode)


@pytest.mark.parametrize("mode", ["dance", "QUERY", "query "])
def test_an_unknown_mode_is_refused_where_the_response_type_goes_by_itself(
    app: App, signed_in: Browser, mode: str
) -> None:
    answer = received(signed_in.open(app.authorize_url(response_mode=mode)[0]), app.redirect_uri, "query")
    assert answer["error"] == "invalid_request"


def test_the_form_post_page_has_one_script_of_its_own_and_a_button_without(app: App, signed_in: Browser) -> None:
    response = signed_in.open(app.authorize_url(response_mode="form_post")[0])
    policy = response.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([A-Za-z0-9_-]{22})'(;|$)", policy)
    assert nonce is not None
    assert re.findall(r"<script[^>]*>", response.text) == [f'<script nonce="{nonce[1]}">']
    assert "unsafe" not in policy
    assert "form-action" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "Cross-Origin-Opener-Policy" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    assert '<button id="response-submit"' in response.text.partition("<noscript>")[2].partition("</noscript>")[0]
    again = signed_in.open(app.authorize_url(response_mode="form_post")[0])
    assert nonce[1] not in again.headers["Content-Security-Policy"]


def test_no_other_page_may_run_a_script(app: App, idp: RunningIdp) -> None:
    login = Browser(idp.url).open(app.authorize_url()[0])
    assert "script-src" not in login.headers["Content-Security-Policy"]


def test_the_modes_are_announced(idp: RunningIdp) -> None:
    for path in ("openid-configuration", "oauth-authorization-server"):
        document = requests.get(f"{idp.url}/.well-known/{path}").json()
        assert document["response_modes_supported"] == MODES
