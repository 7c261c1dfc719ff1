"""Token exchange (RFC 8693): a service gets a narrower, shorter token to call on with, and everybody can see that it acts."""

from __future__ import annotations

import secrets

import pytest

from tests.conftest import API
from tests.delegation.conftest import NewService
from tests.delegation.support import ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE, USERS, Service, audited
from tests.support.flows import App, Browser, claims
from tests.support.running import RunningIdp


def test_a_service_gets_a_token_for_the_next_api_in_the_name_of_its_caller(
    orders: Service, web_app: App, token: str
) -> None:
    response = orders.exchange(token, scope="users:read")
    answer = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert answer.keys() == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (answer["issued_token_type"], answer["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert (answer["scope"], answer["expires_in"]) == ("users:read", 60)

    before, after = claims(token), claims(answer["access_token"])
    assert (after["aud"], after["client_id"], after["scope"]) == (USERS, orders.client_id, "users:read")
    assert after["act"] == {"sub": orders.client_id}
    assert after["exp"] - after["iat"] == 60
    for name in ("iss", "sub", "auth_time", "acr", "amr"):
        assert after[name] == before[name]
    assert after["roles"] == ["reader"]
    assert after["jti"].startswith(before["jti"])


@pytest.mark.parametrize("name", ["audience", "resource"])
def test_the_audience_is_named_as_audience_or_as_resource(orders: Service, token: str, name: str) -> None:
    assert orders.exchanged(token, **{"audience": None, name: USERS})["aud"] == USERS
    assert orders.exchanged(token, audience=USERS, resource=USERS)["aud"] == USERS


def test_without_a_scope_it_is_all_that_may_be_had(orders: Service, token: str) -> None:
    assert orders.exchanged(token)["scope"] == "users:read read"


def test_what_may_not_be_had_is_left_out_and_the_answer_says_so(orders: Service, token: str) -> None:
    answer = orders.exchange(token, scope="users:read users:write openid write unheard-of").json()
    assert answer["scope"] == claims(answer["access_token"])["scope"] == "users:read"


def test_a_scope_the_caller_could_have_had_and_has_not_is_not_added(
    idp: RunningIdp, orders: Service, web_app: App, person: str
) -> None:
    token = web_app.tokens(Browser(idp.url), person, scope="openid write")["access_token"]
    assert orders.exchanged(token)["scope"] == "users:read"
    assert orders.exchange(token, scope="read").json()["error"] == "invalid_scope"


def test_an_exchanged_token_never_outlives_what_it_was_exchanged_for(idp: RunningIdp, new_service: NewService) -> None:
    short = f"https://{secrets.token_hex(4)}.test"
    idp.cli("resource", "create", short, "--scope", "read=Read", "--token-ttl", "20")
    service = new_service("--scope", "users:read", audience=[short])
    service.allow(idp, "--scope", "read", audience=short)
    first = service.own_token(resource=short)
    second = service.exchanged(first)
    assert second["exp"] == claims(first)["exp"]
    assert service.exchanged(first, audience=short)["exp"] <= claims(first)["exp"]


def test_a_token_of_a_service_is_exchanged_too(orders: Service, service: App) -> None:
    first = service.post("/oauth/token", grant_type="client_credentials", scope="read").json()["access_token"]
    second = orders.exchanged(first)
    assert (second["sub"], second["client_id"], second["act"]) == (
        service.client_id,
        orders.client_id,
        {"sub": orders.client_id},
    )
    assert "roles" not in second
    assert "auth_time" not in second


def test_introspection_tells_who_acts(idp: RunningIdp, orders: Service, service: App, token: str) -> None:
    found = orders.introspect(orders.exchanged(token)["token"])
    assert (found["active"], found["act"], found["aud"]) == (True, {"sub": orders.client_id}, USERS)
    assert service.introspect(orders.exchanged(token)["token"]) == {"active": False}


def test_an_exchanged_token_does_not_open_userinfo(orders: Service, token: str) -> None:
    response = orders.userinfo(orders.exchanged(token)["token"])
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")


def test_a_client_may_exchange_its_own_login(idp: RunningIdp, web_app: App, person: str) -> None:
    metadata = {"grant_types": ["authorization_code", TOKEN_EXCHANGE], "redirect_uris": ["https://own.test/cb"]}
    app = Service(idp.url, idp.client(audience=[API], **metadata))
    app.allow(idp, "--scope", "users:read", "--from-audience", idp.issuer)
    browser = Browser(idp.url)
    tokens = app.tokens(browser, person, scope="openid read")
    exchanged = app.exchanged(tokens["id_token"], subject_token_type=ID_TOKEN)
    assert (exchanged["sub"], exchanged["scope"]) == (claims(tokens["id_token"])["sub"], "users:read")
    assert exchanged["auth_time"] == claims(tokens["id_token"])["auth_time"]
    assert exchanged["exp"] <= claims(tokens["id_token"])["exp"]
    assert exchanged["jti"].startswith(claims(tokens["access_token"])["jti"].partition(".")[0])
    assert app.exchange(tokens["access_token"]).json()["error"] == "invalid_request"


def test_every_exchange_is_in_the_audit_trail(idp: RunningIdp, orders: Service, token: str) -> None:
    exchanged = orders.exchanged(token)
    entry = audited(idp, "token.exchanged")
    told = {name: entry[name] for name in ("client_id", "actor", "sub", "audience", "from_audience", "scope")}
    assert told == {
        "client_id": orders.client_id,
        "actor": orders.client_id,
        "sub": exchanged["sub"],
        "audience": USERS,
        "from_audience": API,
        "scope": "users:read read",
    }
    assert claims(token)["jti"] == entry["subject_jti"]
