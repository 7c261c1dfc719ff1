"""OpenID Connect RP-Initiated Logout 1.0, a test for each module of the conformance suite's plan, and what they leave open."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

from idp.opening import open_house
from idp.settings_source import load
from tests.logout.receiver import ListeningApp
from tests.logout.support import BYE, STATE, is_logged_in, logout_url, pause, signed_out, trusted
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp


@pytest.fixture(scope="module")
def app(idp: RunningIdp) -> App:
    return trusted(idp)


@pytest.fixture
def hint(app: App, browser: Browser, person: str) -> str:
    """The ID token of a login in `browser`."""
    return str(app.tokens(browser, person)["id_token"])


def confirm(browser: Browser, response: requests.Response) -> requests.Response:
    """Answer the question with yes."""
    page = Page(response)
    assert "logout" in page.forms, response.text[:1500]
    return browser.submit(page, "logout", confirm="yes")


# -- the modules of the plan ------------------------------------------------------------------------------------------


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(idp: RunningIdp) -> None:
    document = requests.get(f"{idp.url}/.well-known/openid-configuration").json()
    assert document["end_session_endpoint"] == f"{idp.issuer}/oauth/logout"


def test_oidcc_rp_initiated_logout(app: App, browser: Browser, hint: str) -> None:
    response = browser.open(logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=BYE, state=STATE))
    assert response.headers["Location"] == f"{BYE}?state={STATE}"
    assert not is_logged_in(app, browser)


def test_oidcc_rp_initiated_logout_no_state(app: App, browser: Browser, hint: str) -> None:
    response = browser.open(logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=BYE))
    assert response.headers["Location"] == BYE
    assert not is_logged_in(app, browser)


@pytest.mark.parametrize(
    "uri", [f"{BYE}/", "https://app.test/", "https://evil.test/bye", "http://app.test/bye", "//app.test/bye", "x"]
)
def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(
    app: App, browser: Browser, hint: str, uri: str
) -> None:
    response = browser.open(logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=uri, state=STATE))
    assert (response.status_code, Page(response).main["id"]) == (400, "error")
    assert "Location" not in response.headers
    assert is_logged_in(app, browser)


@pytest.mark.parametrize("added", ["?foo=bar", "?", "#x", "%20"])
def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(
    app: App, browser: Browser, hint: str, added: str
) -> None:
    response = browser.open(logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=BYE + added))
    assert Page(response).main["id"] == "error"
    assert "Location" not in response.headers


@pytest.mark.usefixtures("hint")
def test_oidcc_rp_initiated_logout_no_id_token_hint(app: App, browser: Browser) -> None:
    """Nothing says which app asks, so there is nowhere to go back to; the person is asked."""
    question = browser.open(logout_url(app.idp, post_logout_redirect_uri=BYE, state=STATE))
    assert is_logged_in(app, browser)
    response = confirm(browser, question)
    assert signed_out(Page(response))
    assert "Location" not in response.headers
    assert not is_logged_in(app, browser)


def unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"none"}').rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


def bent(token: str) -> str:
    """Another `sub` under the signature of the first."""
    header, _, signature = token.split(".")
    payload = json.dumps({**claims(token), "sub": "somebody-else"}).encode()
    return f"{header}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.{signature}"


def foreign(token: str) -> str:
    """The same claims, signed by somebody else who names our key."""
    header = json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))
    return jwt.encode(header, claims(token), RSAKey.generate_key(2048))


@pytest.mark.parametrize("spoil", [unsigned, bent], ids=["alg none", "bent"])
def test_oidcc_rp_initiated_logout_modified_id_token_hint(app: App, browser: Browser, hint: str, spoil: Any) -> None:
    refuses_to_go_back(app, browser, spoil(hint))


def test_oidcc_rp_initiated_logout_bad_id_token_hint(app: App, browser: Browser, hint: str) -> None:
    refuses_to_go_back(app, browser, foreign(hint))


@pytest.mark.usefixtures("hint")
def test_oidcc_rp_initiated_logout_no_params(app: App, browser: Browser) -> None:
    assert signed_out(Page(confirm(browser, browser.open(logout_url(app.idp)))))
    assert not is_logged_in(app, browser)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(app: App, browser: Browser, hint: str) -> None:
    assert signed_out(Page(browser.open(logout_url(app.idp, id_token_hint=hint, state=STATE))))
    assert not is_logged_in(app, browser)


@pytest.mark.usefixtures("hint")
def test_oidcc_rp_initiated_logout_only_state(app: App, browser: Browser) -> None:
    response = confirm(browser, browser.open(logout_url(app.idp, state=STATE)))
    assert signed_out(Page(response))
    assert STATE not in response.text
    assert not is_logged_in(app, browser)


def refuses_to_go_back(app: App, browser: Browser, hint: str) -> None:
    """What is no hint of ours proves nothing, not even together with a `client_id`."""
    question = browser.open(
        logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=BYE, state=STATE, client_id=app.client_id)
    )
    assert is_logged_in(app, browser)
    response = confirm(browser, question)
    assert signed_out(Page(response))
    assert "Location" not in response.headers


# -- hints ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["access_token", "userinfo", "logout token"])
def test_what_else_we_sign_is_no_hint(idp: RunningIdp, app: App, browser: Browser, person: str, kind: str) -> None:
    tokens = app.tokens(browser, person)
    refuses_to_go_back(app, browser, tokens.get(kind) or signed_by_us(idp, tokens["id_token"], kind))


def signed_by_us(idp: RunningIdp, id_token: str, kind: str) -> str:
    """A JWT of our own key that says whose it is, but is no ID token."""
    person = {name: value for name, value in claims(id_token).items() if name in {"iss", "sub", "aud", "sid"}}
    typ, more = {
        "userinfo": ("JWT", {"email": "ada@example.com", "exp": int(time.time()) + 60}),
        "logout token": ("logout+jwt", {**claims(id_token)}),
    }[kind]
    with open_house(load(idp.environ)) as house:
        return house.keyring.signer("RS256").compose(typ, {**person, **more})


def test_an_expired_id_token_is_still_a_hint(tmp_path_factory: pytest.TempPathFactory) -> None:
    with RunningIdp(tmp_path_factory.mktemp("expired"), id_token_ttl="1") as idp:
        idp.user("ada")
        app, browser = trusted(idp), Browser(idp.url)
        hint = app.tokens(browser, "ada")["id_token"]
        deadline = time.monotonic() + 20
        while claims(hint)["exp"] > time.time():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        response = browser.open(logout_url(idp.url, id_token_hint=hint, post_logout_redirect_uri=BYE))
        assert response.headers["Location"] == BYE
        assert not is_logged_in(app, browser)


def test_a_hint_of_another_app_contradicts_the_client_id(
    idp: RunningIdp, app: App, browser: Browser, hint: str
) -> None:
    other = trusted(idp)
    url = logout_url(app.idp, id_token_hint=hint, client_id=other.client_id, post_logout_redirect_uri=BYE)
    response = browser.open(url)
    assert (response.status_code, Page(response).main["data-error"]) == (400, "invalid_request")
    assert is_logged_in(app, browser)


@pytest.mark.parametrize("again", [True, False], ids=["the same person", "another person"])
def test_a_hint_of_an_earlier_login_asks_first_and_still_leads_back(
    app: App, browser: Browser, hint: str, person: str, again: bool
) -> None:
    confirm(browser, browser.open(logout_url(app.idp)))
    app.login(browser, person if again else "alice")
    url = logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=BYE, state=STATE)
    question = browser.open(url)
    assert is_logged_in(app, browser)
    assert confirm(browser, question).headers["Location"] == f"{BYE}?state={STATE}"
    assert not is_logged_in(app, browser)


def test_who_is_logged_out_already_goes_straight_back(app: App, browser: Browser, hint: str) -> None:
    for _ in range(2):
        response = browser.open(logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=BYE))
        assert response.headers["Location"] == BYE


@pytest.mark.usefixtures("hint")
def test_an_app_that_names_itself_is_asked_for_and_led_back_to(app: App, browser: Browser) -> None:
    url = logout_url(app.idp, client_id=app.client_id, post_logout_redirect_uri=BYE)
    assert confirm(browser, browser.open(url)).headers["Location"] == BYE
    assert not is_logged_in(app, browser)


@pytest.mark.usefixtures("hint")
def test_a_confirmation_that_another_site_sends_is_refused(app: App, browser: Browser) -> None:
    page = Page(browser.open(logout_url(app.idp)))
    page.forms["logout"].fields["csrf"] = "0" * 64
    assert Page(browser.submit(page, "logout", confirm="yes")).main["data-error"] == "expired"
    page = Page(browser.open(logout_url(app.idp)))
    browser.http.headers["Sec-Fetch-Site"] = "cross-site"
    assert browser.submit(page, "logout", confirm="yes").status_code == 403
    del browser.http.headers["Sec-Fetch-Site"]
    assert is_logged_in(app, browser)


def test_parameters_it_does_not_know_change_nothing(app: App, browser: Browser, hint: str) -> None:
    more = {"ui_locales": "se", "logout_hint": "somebody", "foo": "bar"}
    response = browser.open(logout_url(app.idp, id_token_hint=hint, post_logout_redirect_uri=BYE, **more))
    assert response.headers["Location"] == BYE


# -- sessions that ran out --------------------------------------------------------------------------------------------


def test_logging_out_after_a_pause_reaches_the_apps_of_before_it(
    idp: RunningIdp, browser: Browser, person: str
) -> None:
    with ListeningApp() as shop_server, ListeningApp() as wiki_server:
        shop = trusted(idp, backchannel_logout_uri=shop_server.uri)
        wiki = trusted(idp, backchannel_logout_uri=wiki_server.uri)
        before = shop.tokens(browser, person)["id_token"]
        pause(idp, claims(before)["sid"])
        after = wiki.tokens(browser, person)["id_token"]
        assert claims(before)["sid"] != claims(after)["sid"]
        response = browser.open(logout_url(idp.url, id_token_hint=before, post_logout_redirect_uri=BYE))
        assert response.headers["Location"] == BYE, "the app need not ask: the session is the one that followed its own"
        for server, token in ((shop_server, before), (wiki_server, after)):
            [posted] = server.wait()
            assert claims(posted.token)["sid"] == claims(token)["sid"]


def test_a_session_that_ran_out_is_ended_for_its_apps(idp: RunningIdp, browser: Browser, person: str) -> None:
    with ListeningApp() as server:
        app = trusted(idp, backchannel_logout_uri=server.uri)
        hint = app.tokens(browser, person)["id_token"]
        pause(idp, claims(hint)["sid"])
        assert not is_logged_in(app, browser)
        assert "logout" in Page(browser.open(logout_url(idp.url))).forms, "nobody else's link may do it unasked"
        response = browser.open(logout_url(idp.url, id_token_hint=hint, post_logout_redirect_uri=BYE))
        assert response.headers["Location"] == BYE
        assert claims(server.wait()[0].token)["sid"] == claims(hint)["sid"]


# -- at once ----------------------------------------------------------------------------------------------------------


def test_two_logouts_at_once_both_succeed_and_tell_each_app_once(idp: RunningIdp, person: str) -> None:
    with ListeningApp() as server:
        app, browser = trusted(idp, backchannel_logout_uri=server.uri), Browser(idp.url)
        hint = app.tokens(browser, person)["id_token"]
        url, cookies = logout_url(idp.url, id_token_hint=hint, post_logout_redirect_uri=BYE), browser.http.cookies
        barrier = Barrier(8)

        def leave(_number: int) -> str | None:
            barrier.wait(20)
            return requests.get(url, cookies=cookies, allow_redirects=False, timeout=30).headers.get("Location")

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(leave, range(8))) == {BYE}
        server.wait()
        log = idp.cli("logout", "list", "--client", app.client_id)
        assert len(log) == 1
        assert not is_logged_in(app, browser)


def test_a_logout_while_answers_are_under_way_leaves_no_app_that_was_not_told(idp: RunningIdp, person: str) -> None:
    """Whoever got a code either hears of the logout or cannot use it."""
    with ListeningApp() as server:
        app, browser = trusted(idp, backchannel_logout_uri=server.uri), Browser(idp.url)
        hint = trusted(idp).tokens(browser, person)["id_token"]
        cookies, barrier = browser.http.cookies, Barrier(9)
        asked = [app.authorize_url(prompt="none") for _ in range(8)]

        def silent(request: tuple[str, str]) -> requests.Response:
            barrier.wait(20)
            return requests.get(request[0], cookies=cookies, allow_redirects=False, timeout=30)

        def leave() -> requests.Response:
            barrier.wait(20)
            return requests.get(
                logout_url(idp.url, id_token_hint=hint), cookies=cookies, allow_redirects=False, timeout=30
            )

        with ThreadPoolExecutor(9) as pool:
            left = pool.submit(leave)
            answers = [answer_of(response) for response in pool.map(silent, asked)]
        assert left.result().status_code == 200
        assert {answer.get("error", "") for answer in answers} <= {"", "login_required"}
        codes = [(answer["code"], asked[n][1]) for n, answer in enumerate(answers) if "code" in answer]
        assert len(idp.cli("logout", "list", "--client", app.client_id)) == bool(codes)
        assert {app.redeem(*code).json().get("error") for code in codes} <= {"invalid_grant"}


def test_a_login_that_was_under_way_during_the_logout_goes_on_afresh(app: App, idp: RunningIdp, person: str) -> None:
    """The request waits for its consent, the session ends in another tab: the person is asked to log in again."""
    browser = Browser(idp.url)
    asking = trusted(idp, consent="ask")
    hint = app.tokens(browser, person)["id_token"]
    consent = Page(browser.open(asking.authorize_url()[0]))
    browser.open(logout_url(idp.url, id_token_hint=hint))
    response = browser.submit(consent, "consent", decision="allow")
    assert (response.status_code, Page(response).main["data-error"]) == (400, "expired")
    page = Page(browser.open(asking.authorize_url()[0]))
    consent = Page(browser.submit(page, "login", username=person, password=PASSWORD))
    assert "code" in answer_of(browser.submit(consent, "consent", decision="allow"))
