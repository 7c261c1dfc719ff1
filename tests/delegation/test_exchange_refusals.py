"""Every refusal of a token exchange: the standard error (RFC 8693 §2.2.2), and no token."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.conftest import API
from tests.delegation.conftest import NewService
from tests.delegation.support import ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE, USERS, Service, eventually, refused
from tests.support.flows import App, Browser, claims
from tests.support.running import RunningIdp

REFRESH_TOKEN = "urn:ietf:params:oauth:token-type:refresh_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"subject_token": None}, "invalid_request"),
    ({"subject_token": ""}, "invalid_request"),
    ({"subject_token": "garbage"}, "invalid_request"),
    ({"subject_token": "a.b.c"}, "invalid_request"),
    ({"subject_token": "é"}, "invalid_request"),
    ({"subject_token": "x" * 20_000}, "invalid_request"),
    ({"subject_token_type": None}, "invalid_request"),
    ({"subject_token_type": REFRESH_TOKEN}, "invalid_request"),
    ({"subject_token_type": JWT}, "invalid_request"),
    ({"subject_token_type": "access_token"}, "invalid_request"),
    ({"subject_token_type": ID_TOKEN}, "invalid_request"),
    ({"requested_token_type": REFRESH_TOKEN}, "invalid_request"),
    ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
    ({"actor_token": "garbage"}, "invalid_request"),
    ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
    ({"actor_token": "garbage", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
    ({"actor_token": "garbage", "actor_token_type": ID_TOKEN}, "invalid_request"),
    ({"audience": None}, "invalid_target"),
    ({"audience": "https://unheard-of.test"}, "invalid_target"),
    ({"audience": API}, "invalid_target"),
    ({"audience": [USERS, API]}, "invalid_target"),
    ({"resource": API}, "invalid_target"),
    ({"audience": None, "resource": [USERS, API]}, "invalid_target"),
    ({"scope": "write"}, "invalid_scope"),
    ({"scope": "openid"}, "invalid_scope"),
    ({"scope": 'wr"ong'}, "invalid_scope"),
    ({"scope": "s" * 2000}, "invalid_scope"),
]


@pytest.mark.parametrize(("changes", "code"), MALFORMED)
def test_a_request_that_does_not_fit(orders: Service, token: str, changes: dict[str, Any], code: str) -> None:
    assert refused(orders.exchange(token, **changes)) == (400, code)


def test_a_token_signed_by_somebody_else(orders: Service, token: str) -> None:
    head, payload, signature = token.split(".")
    other = "A" if signature[5] != "A" else "B"
    assert refused(orders.exchange(f"{head}.{payload}.{signature[:5]}{other}{signature[6:]}"))[1] == "invalid_request"


def test_a_token_that_has_expired(idp: RunningIdp, new_service: NewService) -> None:
    brief = f"https://{secrets.token_hex(4)}.test"
    idp.cli("resource", "create", brief, "--scope", "read=Read", "--token-ttl", "1")
    service = new_service("--scope", "users:read", audience=[brief])
    first = service.own_token(resource=brief)
    eventually(lambda: not service.introspect(first)["active"])
    assert refused(service.exchange(first)) == (400, "invalid_request")


def test_a_token_that_was_revoked(orders: Service, web_app: App, token: str) -> None:
    web_app.post("/oauth/revoke", token=token)
    assert refused(orders.exchange(token)) == (400, "invalid_request")


def test_a_refresh_token_is_none_of_the_tokens_that_are_exchanged(
    idp: RunningIdp, orders: Service, web_app: App, person: str
) -> None:
    tokens = web_app.tokens(Browser(idp.url), person, scope="openid offline_access read")
    assert refused(orders.exchange(tokens["refresh_token"])) == (400, "invalid_request")
    assert web_app.refresh(tokens["refresh_token"]).status_code == 200


def test_an_id_token_and_a_token_for_userinfo_are_their_own_clients_alone(
    idp: RunningIdp, new_service: NewService, web_app: App, person: str
) -> None:
    named = new_service("--scope", "users:read", "--from-audience", idp.issuer, "--from-audience", API)
    tokens = web_app.tokens(Browser(idp.url), person, scope="openid read")
    login_only = web_app.tokens(Browser(idp.url), person, scope="openid", resource=idp.issuer)["access_token"]
    assert refused(named.exchange(tokens["id_token"], subject_token_type=ID_TOKEN)) == (400, "invalid_request")
    assert refused(named.exchange(tokens["id_token"])) == (400, "invalid_request")
    assert refused(named.exchange(tokens["access_token"], subject_token_type=ID_TOKEN)) == (400, "invalid_request")
    assert refused(named.exchange(login_only)) == (400, "invalid_request")
    assert named.exchange(tokens["access_token"]).status_code == 200


def test_a_token_for_an_api_whose_tokens_the_rule_does_not_name(
    idp: RunningIdp, new_service: NewService, token: str
) -> None:
    other = f"https://{secrets.token_hex(4)}.test"
    idp.cli("resource", "create", other, "--scope", "read=Read")
    assert refused(new_service("--scope", "read", "--from-audience", other).exchange(token)) == (400, "invalid_request")
    assert new_service("--scope", "read").exchange(token).status_code == 200


def test_without_a_rule_nobody_learns_whether_a_token_lives(new_service: NewService, token: str) -> None:
    stranger = new_service(allow=False)
    answers = [stranger.exchange(presented) for presented in (token, "garbage")]
    assert {refused(answer) for answer in answers} == {(400, "invalid_target")}
    assert answers[0].content == answers[1].content


def test_a_client_that_has_not_registered_the_grant(web_app: App, token: str) -> None:
    form = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": USERS}
    assert refused(web_app.post("/oauth/token", grant_type=TOKEN_EXCHANGE, **form)) == (400, "unauthorized_client")


def test_a_client_that_does_not_prove_itself(orders: Service, token: str) -> None:
    form = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": USERS}
    response = orders.post("/oauth/token", auth=False, grant_type=TOKEN_EXCHANGE, client_id=orders.client_id, **form)
    assert refused(response) == (401, "invalid_client")


def test_a_refused_exchange_leaves_everything_as_it_was(idp: RunningIdp, orders: Service, token: str) -> None:
    before = idp.cli("audit", "verify")["entries"]
    orders.exchange(token, scope="write")
    orders.exchange("garbage")
    assert idp.cli("audit", "verify")["entries"] == before
    assert claims(orders.exchanged(token)["token"])["sub"] == claims(token)["sub"]
