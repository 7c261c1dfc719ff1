"""The token endpoint: client authentication, client credentials, refresh, and every refusal."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.conftest import API
from tests.support.assertions import Signed
from tests.support.flows import App, Browser, claims
from tests.support.running import RunningIdp


def token(idp: RunningIdp, body: Any = None, **options: Any) -> requests.Response:
    return requests.post(f"{idp.url}/oauth/token", data=body, timeout=30, **options)


def basic(user: str, password: str) -> dict[str, str]:
    raw = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {raw}"}


def test_a_service_gets_a_token_of_its_own(service: App, idp: RunningIdp) -> None:
    response = service.post("/oauth/token", grant_type="client_credentials")
    document = response.json()
    assert (response.status_code, document["token_type"], document["expires_in"]) == (200, "Bearer", 300)
    assert document.keys() == {"access_token", "token_type", "expires_in", "scope"}
    found = claims(document["access_token"])
    assert found["sub"] == found["client_id"] == service.client_id
    assert (found["aud"], found["iss"], found["scope"]) == (API, idp.issuer, "read write")
    assert found.keys() == {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "status"}
    header = json.loads(base64.urlsafe_b64decode(document["access_token"].split(".")[0] + "=="))
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")


def test_two_tokens_of_one_second_differ(service: App) -> None:
    tokens = {service.post("/oauth/token", grant_type="client_credentials").json()["access_token"] for _ in range(5)}
    assert len(tokens) == 5


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"scope": 're"ad'}, "invalid_scope"),
        ({"scope": "r" * 2000}, "invalid_scope"),
        ({"resource": "https://other.test"}, "invalid_target"),
        ({"resource": [API, API + "/2"]}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unauthorized_client"),
        ({"grant_type": None}, "invalid_request"),
    ],
)
def test_what_a_service_may_not_ask_is_refused(service: App, asked: dict[str, Any], code: str) -> None:
    response = service.post("/oauth/token", **{"grant_type": "client_credentials", **asked})
    assert (response.status_code, response.json()["error"]) == (400, code)
    assert response.headers["Cache-Control"] == "no-store"


def test_the_scope_is_narrowed_and_said(service: App) -> None:
    document = service.post("/oauth/token", grant_type="client_credentials", scope="openid write").json()
    assert document["scope"] == "write"


@pytest.mark.parametrize(
    "user_and_secret",
    [
        ("nobody", "x"),
        ("", ""),
        ("{id}", "wrong"),
        ("{id}", ""),
        ("{id}\x00", "{secret}"),
        ("\xff\xfe", "\xff\xfe"),
        ("é", "ü"),
    ],
)
def test_every_failed_authentication_answers_alike(
    idp: RunningIdp, service: App, user_and_secret: tuple[str, str]
) -> None:
    secret = service.client["client_secret"]
    user, password = (one.format(id=service.client_id, secret=secret) for one in user_and_secret)
    raw = base64.b64encode(f"{user}:{password}".encode("latin-1")).decode()
    response = token(idp, {"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {raw}"})
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_client", "error_description": "Client authentication failed"}
    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic Og==", "Bearer x", "Digest y", "Basic " + "A" * 5000])
def test_a_malformed_authorization_header_is_a_failed_authentication(idp: RunningIdp, header: str) -> None:
    response = token(idp, {"grant_type": "client_credentials"}, headers={"Authorization": header})
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_basic_credentials_may_be_percent_encoded_or_not(idp: RunningIdp) -> None:
    secret = "a.b-c_d~e.f-g_h~i.j-k_l~m.n-o_p~q"
    client = App(
        idp.url,
        idp.client(client_id="x.y-z_1", client_secret=secret, grant_types=["client_credentials"], audience=[API]),
    )
    everything = "".join(f"%{ord(char):02X}" for char in secret)
    for sent in (secret, quote(secret, safe=""), everything):
        response = token(idp, {"grant_type": "client_credentials"}, headers=basic(client.client_id, sent))
        assert response.status_code == 200, response.text


def test_a_method_other_than_the_registered_one_is_refused(idp: RunningIdp, service: App) -> None:
    body = {"grant_type": "client_credentials", "client_id": service.client_id}
    assert token(idp, {**body, "client_secret": service.client["client_secret"]}).status_code == 401
    assert token(idp, body).status_code == 401
    poster = App(
        idp.url,
        idp.client(grant_types=["client_credentials"], audience=[API], token_endpoint_auth_method="client_secret_post"),
    )
    assert poster.post("/oauth/token", grant_type="client_credentials").status_code == 200
    sent = basic(poster.client_id, poster.client["client_secret"])
    assert token(idp, {"grant_type": "client_credentials"}, headers=sent).status_code == 401


def test_two_methods_at_once_are_refused(idp: RunningIdp, service: App) -> None:
    sent = basic(service.client_id, service.client["client_secret"])
    body = {"grant_type": "client_credentials", "client_secret": "wrong"}
    response = token(idp, body, headers=sent)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("url", "body", "headers", "status"),
    [
        ("?grant_type=client_credentials", "grant_type=client_credentials", {}, 400),
        ("", "grant_type=client_credentials&grant_type=client_credentials", {}, 400),
        ("", "grant_type=client_credentials&scope=read&scope=write", {}, 400),
        ("", '{"grant_type": "client_credentials"}', {"Content-Type": "application/json"}, 400),
        ("", "", {}, 400),
        ("", "grant_type=%FF%FE", {}, 400),
        ("", "grant_type=client_credentials&x=%00", {}, 400),
        ("", "&".join(f"p{number}=1" for number in range(80)), {}, 400),
        ("", "x" * 70_000, {}, 413),
    ],
)
def test_a_malformed_request_is_refused(
    idp: RunningIdp, service: App, url: str, body: str, headers: dict[str, str], status: int
) -> None:
    sent = {
        "Content-Type": "application/x-www-form-urlencoded",
        **basic(service.client_id, service.client["client_secret"]),
    }
    response = requests.post(f"{idp.url}/oauth/token{url}", data=body, headers={**sent, **headers}, timeout=30)
    assert (response.status_code, response.json()["error"]) == (status, "invalid_request")


def test_only_post_is_allowed(idp: RunningIdp) -> None:
    response = requests.get(f"{idp.url}/oauth/token", timeout=30)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_failed_authentications_are_limited_per_client_and_address(idp: RunningIdp) -> None:
    victim = App(idp.url, idp.client(grant_types=["client_credentials"], audience=[API]))
    wrong = basic(victim.client_id, "wrong")
    statuses = [token(idp, {"grant_type": "client_credentials"}, headers=wrong).status_code for _ in range(61)]
    assert statuses == [401] * 60 + [429]
    limited = victim.post("/oauth/token", grant_type="client_credentials")
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) > 0


@pytest.fixture(scope="module")
def signed(idp: RunningIdp) -> Signed:
    return Signed(idp, audience=[API])


def test_a_client_proves_itself_by_a_signed_assertion(signed: Signed, idp: RunningIdp) -> None:
    assert signed.post().status_code == 200
    assert signed.post({"kid": "k1", "typ": "JWT"}).status_code == 200
    assert signed.post({"typ": "client-authentication+jwt"}).status_code == 200
    assert Signed(idp, "RS256", audience=[API]).post().status_code == 200


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({}, {"aud": None}),
        ({}, {"aud": "https://other.test"}),
        ({}, {"aud": ["https://other.test"]}),
        ({}, {"exp": None}),
        ({}, {"exp": 1}),
        ({}, {"exp": 2**40}),
        ({}, {"exp": "soon"}),
        ({}, {"jti": None}),
        ({}, {"jti": ""}),
        ({}, {"iss": "other"}),
        ({}, {"sub": "other"}),
        ({}, {"nbf": 2**40}),
        ({}, {"iat": 2**40}),
        ({"typ": "at+jwt"}, {}),
        ({"kid": "unknown"}, {}),
    ],
)
def test_an_assertion_that_does_not_fit_is_refused(
    signed: Signed, header: dict[str, str], changes: dict[str, Any]
) -> None:
    response = signed.post(header, **changes)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_an_assertion_with_an_audience_list_is_refused(signed: Signed, idp: RunningIdp) -> None:
    assert signed.post(aud=[idp.issuer]).status_code == 401


def test_the_token_endpoint_is_an_audience_for_the_classic_profile_only(idp: RunningIdp, signed: Signed) -> None:
    endpoint = f"{idp.issuer}/oauth/token"
    assert signed.post(aud=endpoint).status_code == 401
    assert Signed(idp, audience=[API], security_profile="oidc").post(aud=endpoint).status_code == 200


def test_an_assertion_is_used_once(signed: Signed) -> None:
    first = signed.post(jti="only-once")
    assert (first.status_code, signed.post(jti="only-once").status_code) == (200, 401)


@pytest.mark.parametrize("assertion", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é", "." * 100, "A" * 9000])
def test_garbage_is_no_assertion(signed: Signed, assertion: str) -> None:
    response = signed.send(assertion)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_an_unsigned_or_symmetric_assertion_is_refused(signed: Signed, idp: RunningIdp) -> None:
    def part(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    client_id = signed.client["client_id"]
    body = {"iss": client_id, "sub": client_id, "aud": idp.issuer, "exp": int(time.time()) + 60, "jti": "n"}
    assert signed.send(f"{part({'alg': 'none'})}.{part(body)}.").status_code == 401
    assert signed.send(f"{part({'alg': 'HS256'})}.{part(body)}.AAAA").status_code == 401


# -- refresh tokens ---------------------------------------------------------------------------------------------------


@pytest.fixture
def family(web_app: App, browser: Browser) -> dict[str, Any]:
    return web_app.tokens(browser, "alice", scope="openid profile offline_access read write")


def test_a_refresh_gives_new_tokens_of_the_same_person(web_app: App, family: dict[str, Any]) -> None:
    response = web_app.refresh(family["refresh_token"])
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    fresh = response.json()
    assert fresh["refresh_token"] != family["refresh_token"]
    old, new = claims(family["id_token"]), claims(fresh["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert old[name] == new[name]
    assert web_app.userinfo(fresh["access_token"]).status_code == 200


def test_a_replay_within_the_window_gets_the_very_same_answer(web_app: App, family: dict[str, Any]) -> None:
    first, second = (web_app.refresh(family["refresh_token"]) for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)


@pytest.mark.parametrize("other", [{"scope": "openid read"}, {"resource": API}])
def test_a_replay_that_asks_for_something_else_is_refused_and_the_family_lives(
    web_app: App, family: dict[str, Any], other: dict[str, str]
) -> None:
    successor = web_app.refresh(family["refresh_token"]).json()["refresh_token"]
    assert web_app.refresh(family["refresh_token"], **other).json()["error"] == "invalid_grant"
    assert web_app.refresh(successor).status_code == 200


def test_a_refresh_may_narrow_but_never_widen(web_app: App, family: dict[str, Any]) -> None:
    wider = web_app.refresh(family["refresh_token"], scope="openid email")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    narrow = web_app.refresh(family["refresh_token"], scope="read").json()
    assert narrow["scope"] == "read"
    assert "id_token" not in narrow
    assert web_app.refresh(narrow["refresh_token"]).json()["scope"] == family["scope"]


def test_a_foreign_client_cannot_refresh_and_changes_nothing(
    web_app: App, idp: RunningIdp, family: dict[str, Any]
) -> None:
    thief = App(
        idp.url, idp.client(redirect_uris=["https://thief.test/"], grant_types=["authorization_code", "refresh_token"])
    )
    assert thief.refresh(family["refresh_token"]).json()["error"] == "invalid_grant"
    assert web_app.refresh(family["refresh_token"]).status_code == 200


@pytest.mark.parametrize("garbage", ["x", "", "é", "a" * 5000])
def test_garbage_is_no_refresh_token(web_app: App, garbage: str) -> None:
    response = web_app.refresh(garbage)
    assert response.status_code == 400
    assert response.json()["error"] in {"invalid_grant", "invalid_request"}


def test_offline_access_must_be_asked_for_when_openid_is(web_app: App, browser: Browser) -> None:
    assert "refresh_token" not in web_app.tokens(browser, "alice", scope="openid read")
    assert "refresh_token" in web_app.tokens(browser, "alice", scope="read")
