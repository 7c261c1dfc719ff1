"""What ends tokens, and who may look at them: revocation, introspection, userinfo, logout, disabling."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.conftest import API
from tests.support.flows import BARE_CHALLENGE, App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp

SCOPE = "openid profile email offline_access read"


def other_spellings(token: str) -> list[str]:
    """The same bytes with other bits after them: the last character of a signature of 64 bytes stands for two."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.index(token[-1]) & ~15
    return [token[:-1] + char for char in alphabet[at : at + 16] if char != token[-1]]


@pytest.fixture
def tokens(web_app: App, browser: Browser, person: str) -> dict[str, Any]:
    return web_app.tokens(browser, person, scope=SCOPE)


def dead(app: App, tokens: dict[str, Any]) -> bool:
    """Whether nothing of a family works any more, at once."""
    return (
        app.userinfo(tokens["access_token"]).status_code == 401
        and app.introspect(tokens["access_token"]) == {"active": False}
        and app.introspect(tokens["refresh_token"]) == {"active": False}
        and app.refresh(tokens["refresh_token"]).json().get("error") == "invalid_grant"
    )


def test_revoking_the_refresh_token_ends_the_family(web_app: App, tokens: dict[str, Any]) -> None:
    response = web_app.post("/oauth/revoke", token=tokens["refresh_token"])
    assert (response.status_code, response.content) == (200, b"")
    assert "Content-Type" not in response.headers
    assert dead(web_app, tokens)


def test_revoking_the_access_token_ends_it_alone(web_app: App, tokens: dict[str, Any]) -> None:
    web_app.post("/oauth/revoke", token=tokens["access_token"], token_type_hint="refresh_token")
    assert web_app.introspect(tokens["access_token"]) == {"active": False}
    assert web_app.refresh(tokens["refresh_token"]).status_code == 200


def test_a_stranger_revokes_nothing(web_app: App, service: App, tokens: dict[str, Any]) -> None:
    for token in (tokens["access_token"], tokens["refresh_token"], "garbage", "é"):
        assert service.post("/oauth/revoke", token=token).status_code == 200
    assert web_app.userinfo(tokens["access_token"]).status_code == 200
    assert service.post("/oauth/revoke").json()["error"] == "invalid_request"
    assert requests.post(f"{web_app.idp}/oauth/revoke", data={"token": "x"}).status_code == 401


def test_introspection_tells_those_who_may_know(
    web_app: App, service: App, tokens: dict[str, Any], person: str
) -> None:
    for client in (web_app, service):
        found = client.introspect(tokens["access_token"])
        assert (found["active"], found["aud"], found["username"]) == (True, API, person)
        assert (found["scope"], found["client_id"], found["roles"]) == (SCOPE, web_app.client_id, ["reader"])
    assert service.introspect(tokens["refresh_token"]) == {"active": False}
    assert web_app.introspect(tokens["refresh_token"])["active"] is True


@pytest.mark.parametrize("garbage", ["x", "a.b.c", "é", "eyJhbGciOiJub25lIn0.e30."])
def test_introspection_of_garbage_is_inactive(service: App, garbage: str) -> None:
    assert service.introspect(garbage) == {"active": False}


def test_introspection_needs_a_confidential_client(idp: RunningIdp, web_app: App, tokens: dict[str, Any]) -> None:
    public = App(
        idp.url,
        idp.client(redirect_uris=["http://127.0.0.1/"], token_endpoint_auth_method="none", application_type="native"),
    )
    assert public.post("/oauth/introspect", token=tokens["access_token"]).status_code == 401
    stranger = App(idp.url, idp.client(grant_types=["client_credentials"], audience=[API]))
    assert stranger.introspect(tokens["access_token"]) == {"active": False}


def test_an_id_token_is_no_access_token(web_app: App, tokens: dict[str, Any]) -> None:
    assert web_app.userinfo(tokens["id_token"]).status_code == 401
    assert web_app.introspect(tokens["id_token"]) == {"active": False}


def test_userinfo_answers_to_get_and_post(web_app: App, tokens: dict[str, Any], person: str) -> None:
    url, bearer = f"{web_app.idp}/oauth/userinfo", {"Authorization": f"Bearer {tokens['access_token']}"}
    answers = [
        requests.get(url, headers=bearer),
        requests.post(url, headers=bearer),
        requests.post(url, data={"access_token": tokens["access_token"]}),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    found = answers[0].json()
    assert (found["preferred_username"], found["email"]) == (person, f"{person}@example.com")
    assert found["email_verified"] is False


def test_userinfo_refuses_as_the_standard_says(web_app: App, service: App, tokens: dict[str, Any]) -> None:
    url = f"{web_app.idp}/oauth/userinfo"
    bare = requests.get(url)
    assert (bare.status_code, bare.headers["WWW-Authenticate"], bare.content) == (401, BARE_CHALLENGE, b"")
    assert requests.get(url, params={"access_token": tokens["access_token"]}).status_code == 401
    wrong = requests.get(url, headers={"Authorization": "Bearer wrong"})
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
    twice = requests.post(
        url,
        headers={"Authorization": f"Bearer {tokens['access_token']}"},
        data={"access_token": tokens["access_token"]},
    )
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    of_service = service.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
    assert web_app.userinfo(of_service).status_code == 401


def test_a_token_without_openid_may_not_ask_userinfo(web_app: App, browser: Browser) -> None:
    response = web_app.userinfo(web_app.tokens(browser, "alice", scope="read")["access_token"])
    assert response.status_code == 403
    assert 'scope="openid"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope", ["profile", "email", "address", "phone"])
def test_each_scope_releases_all_its_claims(idp: RunningIdp, web_app: App, scope: str) -> None:
    texts = {
        "name": "A B",
        "given_name": "A",
        "family_name": "B",
        "middle_name": "M",
        "nickname": "N",
        "profile": "https://x.test/p",
        "picture": "https://x.test/i",
        "website": "https://x.test/",
        "gender": "other",
        "birthdate": "2000-01-31",
        "zoneinfo": "Europe/Berlin",
        "locale": "de-DE",
        "phone_number": "+49 30 1234567",
        "phone_number_verified": "true",
        "address.country": "DE",
        "address.locality": "Berlin",
    }
    name = f"full-{scope}"
    if not idp.run("user", "show", name).stdout:
        options = [word for key, value in texts.items() for word in ("--claim", f"{key}={value}")]
        idp.user(name, "--email-verified", *options)
    found = web_app.userinfo(web_app.tokens(Browser(idp.url), name, scope=f"openid {scope}")["access_token"]).json()
    expected = {
        "profile": {*texts, "preferred_username", "updated_at"}
        - {"phone_number", "phone_number_verified"}
        - {"address.country", "address.locality"},
        "email": {"email", "email_verified"},
        "address": {"address"},
        "phone": {"phone_number", "phone_number_verified"},
    }[scope]
    assert found.keys() == expected | {"sub"}
    if scope == "address":
        assert found["address"] == {"country": "DE", "locality": "Berlin"}
    if scope == "phone":
        assert found["phone_number_verified"] is True


def test_disabling_a_person_ends_everything_at_once(
    idp: RunningIdp, web_app: App, browser: Browser, person: str
) -> None:
    tokens = web_app.tokens(browser, person, scope=SCOPE)
    idp.cli("user", "disable", person)
    assert dead(web_app, tokens)
    assert "login" in Page(browser.open(web_app.authorize_url()[0])).forms
    idp.cli("user", "enable", person)
    assert dead(web_app, tokens)
    assert web_app.tokens(Browser(idp.url), person, scope=SCOPE)["access_token"]


def test_a_new_password_ends_everything_and_opens_at_once(
    idp: RunningIdp, web_app: App, browser: Browser, person: str
) -> None:
    tokens = web_app.tokens(browser, person, scope=SCOPE)
    idp.cli("user", "set-password", person, "--password-stdin", stdin="another horse 48 battery\n")
    assert dead(web_app, tokens)
    fresh = web_app.tokens(Browser(idp.url), person, password="another horse 48 battery", scope=SCOPE)
    assert web_app.userinfo(fresh["access_token"]).status_code == 200


def test_a_deleted_person_is_gone(idp: RunningIdp, web_app: App, browser: Browser, person: str) -> None:
    tokens = web_app.tokens(browser, person, scope=SCOPE)
    idp.cli("user", "delete", person)
    assert dead(web_app, tokens)


def test_disabling_a_client_ends_what_it_holds(idp: RunningIdp, browser: Browser, service: App) -> None:
    app = App(
        idp.url,
        idp.client(
            redirect_uris=["https://gone.test/"], grant_types=["authorization_code", "refresh_token"], audience=[API]
        ),
    )
    tokens = app.tokens(browser, "alice", scope=SCOPE)
    idp.cli("client", "disable", app.client_id)
    assert app.userinfo(tokens["access_token"]).status_code == 401
    assert service.introspect(tokens["access_token"]) == {"active": False}
    assert app.refresh(tokens["refresh_token"]).json()["error"] in {"invalid_client", "invalid_grant"}


def logout_url(app: App, **parameters: Any) -> str:
    return requests.Request("GET", f"{app.idp}/oauth/logout", params=parameters).prepare().url or ""


def test_logging_out_with_a_hint_goes_straight_back(web_app: App, idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    online = web_app.tokens(browser, person, scope="openid read")
    offline = web_app.tokens(browser, person, scope=SCOPE)
    response = browser.open(
        logout_url(
            web_app, id_token_hint=online["id_token"], post_logout_redirect_uri="https://app.test/bye", state="s" * 128
        )
    )
    assert response.headers["Location"] == f"https://app.test/bye?state={'s' * 128}"
    assert answer_of(browser.open(web_app.authorize_url(prompt="none")[0]))["error"] == "login_required"
    assert web_app.introspect(online["access_token"]) == {"active": False}
    assert web_app.refresh(offline["refresh_token"]).status_code == 200


def test_logging_out_without_a_hint_asks_first(web_app: App, idp: RunningIdp, browser: Browser, person: str) -> None:
    web_app.login(browser, person)
    page = Page(browser.open(f"{idp.url}/oauth/logout"))
    assert "logout" in page.forms
    assert "code" in answer_of(browser.open(web_app.authorize_url(prompt="none")[0]))
    assert Page(browser.submit(page, "logout", confirm="yes")).main["id"] == "signed-out"
    assert answer_of(browser.open(web_app.authorize_url(prompt="none")[0]))["error"] == "login_required"


@pytest.mark.parametrize("uri", ["https://app.test/bye?x=1", "https://evil.test/", "javascript:alert(1)"])
def test_logout_never_leads_to_an_unregistered_place(web_app: App, browser: Browser, person: str, uri: str) -> None:
    tokens = web_app.tokens(browser, person)
    response = browser.open(logout_url(web_app, id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri))
    assert "Location" not in response.headers
    assert Page(response).main["id"] == "error"
    assert "code" in answer_of(browser.open(web_app.authorize_url(prompt="none")[0]))


@pytest.mark.parametrize("hint", ["garbage", "eyJhbGciOiJub25lIn0.e30.", "access"])
def test_a_hint_that_is_not_ours_proves_nothing(web_app: App, browser: Browser, person: str, hint: str) -> None:
    tokens = web_app.tokens(browser, person)
    token = tokens["access_token"] if hint == "access" else hint
    response = browser.open(
        logout_url(
            web_app, id_token_hint=token, post_logout_redirect_uri="https://app.test/bye", client_id=web_app.client_id
        )
    )
    assert "Location" not in response.headers
    assert "logout" in Page(response).forms


def test_logout_by_post_from_another_site_sees_the_session(web_app: App, browser: Browser, person: str) -> None:
    tokens = web_app.tokens(browser, person)
    data = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://app.test/bye"}
    response = requests.post(f"{web_app.idp}/oauth/logout", data=data, allow_redirects=False)
    assert response.status_code == 303
    assert tokens["id_token"] not in response.headers["Location"]
    final = browser.open(response.headers["Location"])
    assert final.headers["Location"] == "https://app.test/bye"


def test_another_person_is_asked_before_a_hint_logs_them_out(
    web_app: App, idp: RunningIdp, browser: Browser, person: str
) -> None:
    tokens = web_app.tokens(Browser(idp.url), "alice")
    page = Page(browser.open(f"{idp.url}/login"))
    browser.submit(page, "login", username=person, password=PASSWORD)
    assert "logout" in Page(browser.open(logout_url(web_app, id_token_hint=tokens["id_token"]))).forms


def test_the_nonce_is_told_in_the_first_id_token_alone(web_app: App, browser: Browser) -> None:
    first = web_app.tokens(browser, "alice", scope="openid offline_access", nonce="of this login")
    again = web_app.refresh(first["refresh_token"]).json()
    assert claims(first["id_token"])["nonce"] == "of this login"
    assert "nonce" not in claims(again["id_token"])
    assert claims(again["id_token"])["sid"] == claims(first["id_token"])["sid"]


def test_a_token_is_known_in_one_spelling_alone(web_app: App, browser: Browser) -> None:
    token = web_app.tokens(browser, "alice", scope="openid")["access_token"]
    assert web_app.userinfo(token).status_code == 200
    for spelling in other_spellings(token):
        assert web_app.userinfo(spelling).status_code == 401
        assert web_app.introspect(spelling) == {"active": False}
