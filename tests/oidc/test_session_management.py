"""OpenID Connect Session Management 1.0 over HTTP: the state in answers, the cookie, the frame; tests/browser has it in a real browser."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie

import pytest
import requests

from idp.oauth.redirects import origin_of
from idp.oauth.session_state import session_state
from tests.conftest import API
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import PASSWORD, RunningIdp

COOKIE = "idp-browser-state"
CLIENT, SALT = "s6BhdRkqt3", "salt"


@pytest.fixture(scope="module")
def app(idp: RunningIdp) -> App:
    """Trusted, so that a login is one page."""
    return App(idp.url, idp.client(redirect_uris=["https://app.test/callback"], consent="trusted"))


def cookie_of(response: requests.Response) -> str | None:
    """The browser state that a response sets, with the attributes it must have; None when it sets none."""
    for header in response.raw.headers.getlist("Set-Cookie"):
        morsel = SimpleCookie(header).get(COOKIE)
        if morsel is not None:
            assert (morsel["samesite"], morsel["secure"], morsel["httponly"]) == ("None", True, "")
            assert (morsel["path"], morsel["domain"], morsel["max-age"], morsel["expires"]) == ("/", "", "", "")
            return str(morsel.value)
    return None


def shown(browser: Browser, response: requests.Response) -> str:
    """What the browser holds after a response. Browsers send `Secure` cookies to loopback; the client of these tests must be told."""
    set_now = cookie_of(response)
    if set_now is not None:
        browser.http.cookies.set(COOKIE, set_now, domain="127.0.0.1", path="/")
    return str(browser.http.cookies[COOKIE])


def fits(app: App, answer: dict[str, str], state: str) -> bool:
    """Whether the frame would say `unchanged` to an app of this origin."""
    salt = answer["session_state"].partition(".")[2]
    return answer["session_state"] == session_state(app.client_id, "https://app.test", state, salt)


def silent(app: App, browser: Browser) -> tuple[dict[str, str], str]:
    """The answer to `prompt=none`, and the browser's state after it."""
    response = browser.open(app.authorize_url(prompt="none")[0])
    return answer_of(response), shown(browser, response)


# -- discovery and the frame ------------------------------------------------------------------------------------------


def test_oidcc_session_management_discovery_endpoint_verification(idp: RunningIdp) -> None:
    document = requests.get(f"{idp.url}/.well-known/openid-configuration").json()
    assert document["check_session_iframe"] == f"{idp.issuer}/oauth/check_session"
    assert document["end_session_endpoint"] == f"{idp.issuer}/oauth/logout"
    assert "check_session_iframe" not in requests.get(f"{idp.url}/.well-known/oauth-authorization-server").json()


def test_the_frame_may_stand_in_any_site_and_runs_its_one_script_only(idp: RunningIdp) -> None:
    response = requests.get(f"{idp.url}/oauth/check_session")
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    nonce = re.fullmatch(r"'nonce-([\w-]{20,})'", policy["script-src"])
    assert nonce is not None
    assert "frame-ancestors" not in policy
    assert "X-Frame-Options" not in response.headers
    assert policy["default-src"] == "'none'"
    assert re.findall(r"<script[^>]*>", response.text) == [f'<script nonce="{nonce[1]}">']
    assert nonce[1] not in requests.get(f"{idp.url}/oauth/check_session").text
    assert requests.post(f"{idp.url}/oauth/check_session", data={"a": "b"}).status_code == 405


@pytest.mark.parametrize("path", ["/", "/login", "/oauth/logout"])
def test_no_other_page_may_be_framed(idp: RunningIdp, path: str) -> None:
    response = requests.get(f"{idp.url}{path}")
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Frame-Options"] == "DENY"


# -- the state in answers ---------------------------------------------------------------------------------------------


def test_the_state_is_a_salted_hash_of_client_origin_and_browser_state() -> None:
    """§3.2: SHA-256 over the four, in this order, with a space between them."""
    made = session_state(CLIENT, "https://app.test", "browser state", SALT)
    assert made == "7285a0c931357f56ae0dded7d5c5a8ded155686c5ed4a0829e628f1ac792ff8e.salt"
    for other in (
        session_state("other", "https://app.test", "browser state", SALT),
        session_state(CLIENT, "https://app.test:8443", "browser state", SALT),
        session_state(CLIENT, "https://app.test", "another", SALT),
        session_state(CLIENT, "https://app.test", "browser state", "pepper"),
    ):
        assert other.partition(".")[0] != made.partition(".")[0]


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.test/cb?x=1", "https://app.test"),
        ("https://App.Test:443/cb", "https://app.test"),
        ("https://app.test:8443/cb", "https://app.test:8443"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://[::1]:9000/cb", "http://[::1]:9000"),
        ("com.example.app:/cb", None),
    ],
)
def test_the_origin_is_written_as_browsers_write_it(uri: str, origin: str | None) -> None:
    assert origin_of(uri) == origin


def test_success_and_silent_refusal_both_say_the_state(app: App, browser: Browser) -> None:
    refused, before = silent(app, browser)
    assert refused["error"] == "login_required"
    assert fits(app, refused, before)
    page = Page(browser.open(app.authorize_url()[0]))
    response = browser.submit(page, "login", username="alice", password=PASSWORD)
    answer, after = answer_of(response), shown(browser, response)
    assert " " not in answer["session_state"]
    assert fits(app, answer, after)
    assert not fits(app, refused, after), "the app hears that somebody logged in"
    again, same = silent(app, browser)
    assert "code" in again
    assert (same, fits(app, again, after)) == (after, True)
    assert again["session_state"] != answer["session_state"], "the salt is another"


def test_the_browser_state_is_no_authority_and_tells_nothing(app: App, browser: Browser) -> None:
    app.login(browser, "alice")
    _, state = silent(app, browser)
    assert state not in {value for name, value in browser.http.cookies.items() if name != COOKIE}
    stranger = Browser(browser.home)
    stranger.http.cookies.set("idp-session", state)
    assert silent(app, stranger)[0]["error"] == "login_required"


def test_only_openid_requests_of_apps_with_an_origin_get_a_state(idp: RunningIdp, app: App, browser: Browser) -> None:
    reader = App(idp.url, idp.client(redirect_uris=[app.redirect_uri], audience=[API], consent="trusted"))
    assert "session_state" not in reader.login(browser, "alice", scope="read")[0]
    native = idp.client(
        redirect_uris=["com.example.app://cb"], application_type="native", token_endpoint_auth_method="none"
    )
    assert "session_state" not in App(idp.url, native).login(browser, "alice")[0]


# -- when it changes --------------------------------------------------------------------------------------------------


def test_oidcc_session_management_rp_initiated_logout(app: App, browser: Browser, person: str) -> None:
    """Unchanged while logged in, changed once logged out, and the silent question says so."""
    tokens = app.tokens(browser, person)
    answer, state = silent(app, browser)
    assert fits(app, answer, state)
    response = browser.open(f"{app.idp}/oauth/logout?id_token_hint={tokens['id_token']}")
    assert Page(response).main["id"] == "signed-out"
    after = shown(browser, response)
    assert not fits(app, answer, after)
    refused, same = silent(app, browser)
    assert refused["error"] == "login_required"
    assert (same, fits(app, refused, after)) == (after, True)


def test_a_session_that_ended_elsewhere_is_noticed_at_the_next_question(
    app: App, idp: RunningIdp, browser: Browser, person: str
) -> None:
    app.login(browser, person)
    answer, state = silent(app, browser)
    idp.cli("user", "disable", person)
    refused, after = silent(app, browser)
    assert refused["error"] == "login_required"
    assert not fits(app, answer, after)
    assert state != after


def test_a_frame_of_another_site_disturbs_nothing(app: App, browser: Browser) -> None:
    """Browsers keep `SameSite=Lax` cookies from it: that we see no session there does not mean that there is none."""
    app.login(browser, "alice")
    _, state = silent(app, browser)
    frame = Browser(browser.home)
    frame.http.cookies.set(COOKIE, state)
    response = frame.open(app.authorize_url(prompt="none")[0])
    assert answer_of(response)["error"] == "login_required"
    assert cookie_of(response) is None
    assert fits(app, answer_of(response), state)
