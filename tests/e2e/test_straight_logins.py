"""A login that is all a request waits for answers it: the next stop is the app. What needs another step goes on as before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from html import unescape
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from idp.oauth.session_state import session_state
from tests.conftest import API
from tests.support import databases
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp

CALLBACK = "https://app.test/callback"
SLOW = "12"
"""A cost that makes two logins, begun together, be under way together."""


@pytest.fixture(scope="module")
def trusted(idp: RunningIdp) -> App:
    return App(idp.url, idp.client(redirect_uris=[CALLBACK], consent="trusted", audience=[API]))


def signed_in(browser: Browser, app: App, person: str, **asked: str) -> tuple[requests.Response, str]:
    """The very answer to the right password, and the PKCE verifier of the request."""
    url, verifier = app.authorize_url(**asked)
    return posted(browser, Page(browser.open(url)), person), verifier


def posted(browser: Browser, page: Page, person: str) -> requests.Response:
    form = page.forms["login"]
    data = {**form.fields, "username": person, "password": PASSWORD}
    return browser.http.post(form.action, data=data, allow_redirects=False, timeout=30)


def goes_to_the_app(response: requests.Response) -> bool:
    return response.status_code == 303 and response.headers["Location"].startswith(f"{CALLBACK}?")


def test_the_answer_to_the_password_is_the_way_to_the_app(trusted: App, browser: Browser, person: str) -> None:
    response, verifier = signed_in(browser, trusted, person, scope="openid read", nonce="n-0S6_WzA2Mj", state="af0if")
    assert goes_to_the_app(response)
    answer = answer_of(response)
    assert (answer["state"], answer["iss"]) == ("af0if", trusted.issuer)
    tokens = trusted.redeem(answer["code"], verifier).json()
    assert claims(tokens["id_token"])["nonce"] == "n-0S6_WzA2Mj"
    assert trusted.userinfo(tokens["access_token"]).json()["sub"] == claims(tokens["id_token"])["sub"]
    silent = answer_of(browser.open(trusted.authorize_url(prompt="none")[0]))
    assert "code" in silent


def test_the_authorization_endpoint_shows_the_login_page_itself(
    trusted: App, idp: RunningIdp, browser: Browser
) -> None:
    url, _verifier = trusted.authorize_url()
    response = browser.http.get(f"{url}&account=x&joined=yes", allow_redirects=False, timeout=30)
    page = Page(response)
    assert (response.status_code, page.forms["login"].action) == (200, f"{idp.url}/login")
    assert 'id="joined"' not in response.text, "only our own addresses say so"
    (german,) = re.findall(r'href="([^"]*)"[^>]*hreflang="de"', response.text)
    assert parse_qs(urlsplit(unescape(german)).query) == {
        "flow": [page.forms["login"].fields["flow"]],
        "language": ["de"],
    }
    again = Page(browser.open(url))
    assert again.forms["login"].fields["flow"] != page.forms["login"].fields["flow"], "a reload asks anew"


def test_the_app_learns_the_state_that_the_browser_is_in_then(trusted: App, browser: Browser, person: str) -> None:
    response, _verifier = signed_in(browser, trusted, person)
    told = answer_of(response)["session_state"]
    state = response.cookies["idp-browser-state"]
    assert told == session_state(trusted.client_id, "https://app.test", state, told.partition(".")[2])


def test_who_allowed_the_app_before_is_there_at_once_and_asked_once_that_is_taken_back(
    web_app: App, idp: RunningIdp, person: str
) -> None:
    first = Browser(idp.url)
    response, _verifier = signed_in(first, web_app, person)
    assert response.headers["Location"].startswith(idp.url)
    page = Page(first.open(response.headers["Location"]))
    assert "code" in answer_of(first.submit(page, "consent", decision="allow"))
    assert goes_to_the_app(signed_in(Browser(idp.url), web_app, person)[0])
    more, _verifier = signed_in(Browser(idp.url), web_app, person, scope="openid read")
    assert more.headers["Location"].startswith(idp.url)
    apps = Page(first.open(f"{idp.url}/account/apps"))
    (removal,) = [name for name in apps.forms if name.startswith("app-withdraw-")]
    first.submit(apps, removal)
    again, _verifier = signed_in(Browser(idp.url), web_app, person)
    assert again.headers["Location"].startswith(idp.url)


@pytest.mark.parametrize("asked", [{"prompt": "consent"}, {"acr_values": "2fa"}])
def test_what_needs_more_than_a_login_goes_on_from_there(
    trusted: App, browser: Browser, person: str, asked: dict[str, str]
) -> None:
    response, _verifier = signed_in(browser, trusted, person, **asked)
    assert urlsplit(response.headers["Location"]).path == "/oauth/authorize/resume"


def test_another_person_than_the_app_expects_is_not_brought_to_it(
    trusted: App, idp: RunningIdp, browser: Browser, person: str
) -> None:
    tokens = trusted.tokens(Browser(idp.url), person)
    response, _verifier = signed_in(browser, trusted, "alice", id_token_hint=tokens["id_token"])
    assert answer_of(browser.open(response.headers["Location"]))["error"] == "login_required"


@pytest.fixture(params=databases.KINDS)
def slow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        yield stack.enter_context(RunningIdp(tmp_path_factory.mktemp("slow"), url, bcrypt_cost=SLOW))


def test_a_click_that_comes_twice_is_answered_twice_and_no_later_one(slow: RunningIdp) -> None:
    """Browsers show the answer to the second click alone."""
    slow.user("alice")
    app = App(slow.url, slow.client(redirect_uris=[CALLBACK], consent="trusted"))
    browser = Browser(slow.url)
    url, verifier = app.authorize_url()
    page, together = Page(browser.open(url)), Barrier(2)

    def click(_number: int) -> requests.Response:
        own = Browser(slow.url)
        own.http.cookies.update(browser.http.cookies)
        together.wait()
        return posted(own, page, "alice")

    with ThreadPoolExecutor(2) as pool:
        clicks = list(pool.map(click, range(2)))
    assert [goes_to_the_app(response) for response in clicks] == [True, True]
    codes = {answer_of(response)["code"] for response in clicks}
    assert len(codes) == 2
    assert [app.redeem(code, verifier).status_code for code in codes] == [200, 200]
    assert Page(posted(browser, page, "alice")).main["data-error"] == "expired"
