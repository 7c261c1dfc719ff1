"""The authorization code flow, from the app's redirect to its tokens, and every way it is refused."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.conftest import API
from tests.support.flows import App, Browser, Page, answer_of, claims, pkce
from tests.support.running import RunningIdp


@pytest.fixture(scope="module")
def classic(idp: RunningIdp) -> App:
    """A confidential client of the classic OpenID profile, without PKCE."""
    return App(
        idp.url, idp.client(client_name="Classic", redirect_uris=["https://classic.test/cb"], security_profile="oidc")
    )


@pytest.fixture(scope="module")
def native(idp: RunningIdp) -> App:
    """A public native app on a loopback redirect."""
    metadata: dict[str, Any] = {
        "client_name": "Native",
        "redirect_uris": ["http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
    }
    return App(idp.url, idp.client(**metadata))


def test_a_person_logs_in_consents_and_the_app_gets_its_tokens(web_app: App, browser: Browser, idp: RunningIdp) -> None:
    answer, verifier = web_app.login(
        browser, "alice", scope="openid profile email read", nonce="n-0S6", state="x" * 128
    )
    assert answer.keys() == {"code", "state", "iss", "session_state"}
    assert (answer["state"], answer["iss"]) == ("x" * 128, idp.issuer)
    response = web_app.redeem(answer["code"], verifier)
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"].split() == ["openid", "profile", "email", "read"]
    assert "refresh_token" not in tokens
    access, identity = claims(tokens["access_token"]), claims(tokens["id_token"])
    assert access["aud"] == API
    assert access["sub"] == identity["sub"]
    assert identity["aud"] == web_app.client_id
    assert identity["nonce"] == "n-0S6"
    assert identity["acr"] == access["acr"] == "1fa"
    assert access["roles"] == []
    assert "name" not in identity
    assert web_app.userinfo(tokens["access_token"]).json()["given_name"] == "Alice"


def test_consent_is_remembered_per_client_and_scope(web_app: App, idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    web_app.login(browser, person, scope="openid read")
    assert "code" in answer_of(browser.open(web_app.authorize_url(scope="openid read")[0]))
    assert "consent" in Page(browser.open(web_app.authorize_url(scope="openid read write")[0])).forms


def test_the_consent_page_says_who_asks_for_what_in_words(web_app: App, browser: Browser) -> None:
    page = Page(browser.open(web_app.authorize_url(scope="openid write offline_access")[0]))
    response = browser.submit(page, "login", username="alice", password="correct horse 47 staple")
    for words in ("Web App", "Know that it is you", "Write things", "The API", "while you are away"):
        assert words in response.text


@pytest.mark.parametrize("decision", ["deny", "nonsense", ""])
def test_anything_but_allow_is_a_denial(web_app: App, browser: Browser, decision: str, person: str) -> None:
    page = Page(browser.open(web_app.authorize_url()[0]))
    page = Page(browser.submit(page, "login", username=person, password="correct horse 47 staple"))
    answer = answer_of(browser.submit(page, "consent", decision=decision))
    assert answer["error"] == "access_denied"
    assert "state" in answer
    assert "iss" in answer


def test_a_person_can_cancel_at_the_login_page(web_app: App, browser: Browser) -> None:
    page = Page(browser.open(web_app.authorize_url()[0]))
    assert answer_of(browser.submit(page, "cancel"))["error"] == "access_denied"


def test_a_trusted_client_shows_no_consent_page(idp: RunningIdp, browser: Browser) -> None:
    trusted = App(idp.url, idp.client(redirect_uris=["https://trusted.test/cb"], consent="trusted"))
    page = Page(browser.open(trusted.authorize_url()[0]))
    response = browser.submit(page, "login", username="alice", password="correct horse 47 staple")
    assert "code" in answer_of(response)
    assert "consent" in Page(browser.open(trusted.authorize_url(prompt="consent")[0])).forms


def test_an_unproven_client_asks_every_time(native: App, browser: Browser) -> None:
    native.login(browser, "alice")
    assert "consent" in Page(browser.open(native.authorize_url()[0])).forms


def test_a_native_app_may_use_any_loopback_port(native: App, browser: Browser) -> None:
    uri = "http://127.0.0.1:49152/cb"
    answer, verifier = native.login(browser, "alice", redirect_uri=uri)
    response = native.redeem(answer["code"], verifier, redirect_uri=uri)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.test/callback/",
        "https://app.test/callback?x=1",
        "https://APP.test/callback",
        "https://app.test.evil.test/callback",
        "http://app.test/callback",
        "https://app.test/callback#x",
        "javascript:alert(1)",
        "//app.test/callback",
        "https://app.test/../callback",
        "https://app.test:443/callback",
        "https://app.test/callback ",
    ],
)
def test_a_redirect_uri_that_is_not_registered_gives_a_page_never_a_redirect(
    web_app: App, browser: Browser, uri: str
) -> None:
    response = browser.open(web_app.authorize_url(redirect_uri=uri)[0])
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert Page(response).main["data-error"] == "invalid_redirect_uri"


def test_an_unknown_client_gives_a_page(web_app: App, browser: Browser) -> None:
    response = browser.open(web_app.authorize_url(client_id="nobody")[0])
    assert (response.status_code, Page(response).main["data-error"]) == (400, "invalid_client")


REFUSALS = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "dance"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"scope": "nothing-known"}, "invalid_scope"),
    ({"resource": "https://other.test"}, "invalid_target"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "dance"}, "invalid_request"),
    ({"prompt": "none"}, "login_required"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"request": "eyJ"}, "invalid_request_object"),
    ({"request_uri": "https://app.test/r"}, "invalid_request_uri"),
    ({"registration": "{}"}, "registration_not_supported"),
    ({"id_token_hint": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"),
    ({"nonce": "n" * 1025}, "invalid_request"),
]


@pytest.mark.parametrize(
    ("changes", "code"), REFUSALS, ids=[f"{code}-{next(iter(change))}" for change, code in REFUSALS]
)
def test_a_refused_request_goes_back_to_the_app(
    web_app: App, browser: Browser, changes: dict[str, Any], code: str
) -> None:
    answer = answer_of(browser.open(web_app.authorize_url(state="the state", **changes)[0]))
    assert (answer["error"], answer["state"]) == (code, "the state")
    assert answer["iss"] == web_app.idp
    assert not set(answer["error_description"]) & set('"\\')
    assert answer["error_description"].isascii()
    assert answer.keys() <= {"error", "error_description", "state", "iss", "session_state"}


def test_a_repeated_parameter_gives_a_page(web_app: App, browser: Browser) -> None:
    url = web_app.authorize_url()[0]
    response = browser.open(f"{url}&client_id={web_app.client_id}")
    assert (response.status_code, Page(response).main["data-error"]) == (400, "invalid_request")


def test_unknown_parameters_are_ignored(web_app: App, browser: Browser) -> None:
    answer, verifier = web_app.login(
        browser, "alice", extra="foobar", display="popup", ui_locales="se", claims_locales="se"
    )
    assert web_app.redeem(answer["code"], verifier).status_code == 200


def test_a_request_may_come_by_post_from_another_site(web_app: App, browser: Browser) -> None:
    url, verifier = web_app.authorize_url()
    path, _, query = url.partition("?")
    response = requests.post(
        path, data=query, headers={"Content-Type": "application/x-www-form-urlencoded"}, allow_redirects=False
    )
    assert response.status_code == 303
    page = Page(browser.open(response.headers["Location"]))
    page = Page(browser.submit(page, "login", username="alice", password="correct horse 47 staple"))
    final = browser.submit(page, "consent", decision="allow") if "consent" in page.forms else page.response
    assert web_app.redeem(answer_of(final)["code"], verifier).status_code == 200


def test_the_classic_profile_may_leave_pkce_out(classic: App, browser: Browser) -> None:
    none = {"code_challenge": None, "code_challenge_method": None}
    answer, _ = classic.login(browser, "alice", **none)
    assert classic.redeem(answer["code"], None).status_code == 200
    answer, _ = classic.login(browser, "alice", **none)
    downgrade = classic.redeem(answer["code"], pkce()[0])
    assert (downgrade.status_code, downgrade.json()["error"]) == (400, "invalid_grant")


def test_the_classic_profile_must_repeat_its_redirect_uri(classic: App, browser: Browser) -> None:
    answer, verifier = classic.login(browser, "alice")
    assert classic.redeem(answer["code"], verifier, redirect_uri=None).json()["error"] == "invalid_grant"
    assert classic.redeem(answer["code"], verifier).status_code == 200


def test_the_default_profile_may_leave_its_redirect_uri_out_at_the_token_endpoint(
    web_app: App, browser: Browser
) -> None:
    answer, verifier = web_app.login(browser, "alice")
    assert (
        web_app.redeem(answer["code"], verifier, redirect_uri="https://app.test/other").json()["error"]
        == "invalid_grant"
    )
    assert web_app.redeem(answer["code"], verifier, redirect_uri=None).status_code == 200


@pytest.mark.parametrize("verifier", [None, "", "short", "v" * 43, "é" * 43, "v" * 129])
def test_a_code_without_its_verifier_is_worth_nothing(web_app: App, browser: Browser, verifier: str | None) -> None:
    answer, right = web_app.login(browser, "alice")
    response = web_app.redeem(answer["code"], verifier)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert web_app.redeem(answer["code"], right).status_code == 200


def test_a_used_code_is_refused_and_takes_back_what_it_gave(web_app: App, browser: Browser) -> None:
    answer, verifier = web_app.login(browser, "alice", scope="openid offline_access")
    tokens = web_app.redeem(answer["code"], verifier).json()
    assert web_app.userinfo(tokens["access_token"]).status_code == 200
    again = web_app.redeem(answer["code"], verifier)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert web_app.userinfo(tokens["access_token"]).status_code == 401
    assert web_app.introspect(tokens["access_token"]) == {"active": False}
    assert web_app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_foreign_client_cannot_use_a_code_and_changes_nothing(web_app: App, classic: App, browser: Browser) -> None:
    answer, verifier = web_app.login(browser, "alice")
    assert (
        classic.redeem(answer["code"], verifier, redirect_uri=web_app.redirect_uri).json()["error"] == "invalid_grant"
    )
    tokens = web_app.redeem(answer["code"], verifier).json()
    assert classic.redeem(answer["code"], verifier).json()["error"] == "invalid_grant"
    assert web_app.userinfo(tokens["access_token"]).status_code == 200


def test_a_code_dies_with_its_session(web_app: App, idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    answer, verifier = web_app.login(browser, person)
    page = Page(browser.open(f"{idp.url}/oauth/logout"))
    browser.submit(page, "logout", confirm="yes")
    assert web_app.redeem(answer["code"], verifier).json()["error"] == "invalid_grant"


def test_several_resources_may_be_authorized_and_each_token_has_one(idp: RunningIdp, browser: Browser) -> None:
    other = f"https://{secrets.token_hex(4)}.test"
    idp.cli(
        "resource", "create", other, "--scope", "other=Do other things", "--token-ttl", "60", "--signing-alg", "Ed25519"
    )
    app = App(
        idp.url,
        idp.client(
            redirect_uris=["https://two.test/cb"],
            audience=[API, other],
            grant_types=["authorization_code", "refresh_token"],
        ),
    )
    asked = {"resource": [API, other], "scope": "read other offline_access"}
    answer, verifier = app.login(browser, "alice", **asked)
    tokens = app.redeem(answer["code"], verifier, resource=other).json()
    assert claims(tokens["access_token"])["aud"] == other
    assert (tokens["scope"], tokens["expires_in"]) == ("other offline_access", 60)
    first = app.refresh(tokens["refresh_token"]).json()
    assert claims(first["access_token"])["aud"] == API
    both = app.refresh(first["refresh_token"], resource=[API, other])
    assert both.json()["error"] == "invalid_target"
    strange = app.refresh(first["refresh_token"], resource=idp.issuer)
    assert strange.json()["error"] == "invalid_target"


def test_two_tabs_wait_side_by_side(web_app: App, browser: Browser) -> None:
    first, second = web_app.authorize_url(state="one"), web_app.authorize_url(state="two")
    pages = [Page(browser.open(url)) for url, _ in (first, second)]
    for page, state in zip(pages, ("one", "two"), strict=True):
        response = browser.submit(page, "login", username="alice", password="correct horse 47 staple")
        forms = Page(response)
        final = browser.submit(forms, "consent", decision="allow") if "consent" in forms.forms else response
        assert answer_of(final)["state"] == state


def test_a_login_belongs_to_the_browser_that_began_it(web_app: App, idp: RunningIdp, browser: Browser) -> None:
    page = Page(browser.open(web_app.authorize_url()[0]))
    stranger = Browser(idp.url)
    response = stranger.submit(page, "login", username="alice", password="correct horse 47 staple")
    assert (response.status_code, Page(response).main["data-error"]) == (400, "expired")
    flow = page.forms["login"].fields["flow"]
    for path in ("/oauth/authorize/resume", "/consent", "/login"):
        taken = stranger.open(f"{idp.url}{path}?{urlencode({'flow': flow})}")
        assert Page(taken).main["data-error"] == "expired"


def test_steps_cannot_be_skipped(web_app: App, idp: RunningIdp, browser: Browser) -> None:
    page = Page(browser.open(web_app.authorize_url()[0]))
    flow = page.forms["login"].fields["flow"]
    for path in ("/consent", "/oauth/authorize/resume"):
        assert "login" in Page(browser.open(f"{idp.url}{path}?flow={flow}")).forms


def test_a_waiting_request_gives_one_code(web_app: App, browser: Browser, person: str) -> None:
    page = Page(browser.open(web_app.authorize_url()[0]))
    page = Page(browser.submit(page, "login", username=person, password="correct horse 47 staple"))
    assert "code" in answer_of(browser.submit(page, "consent", decision="allow"))
    again = browser.submit(page, "consent", decision="allow")
    assert Page(again).main["data-error"] == "expired"
