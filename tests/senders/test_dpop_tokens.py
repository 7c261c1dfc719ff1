"""Tokens bound to a DPoP key: how each grant gives them, and what is refused (RFC 9449 §5, §6, §10)."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.conftest import API
from tests.senders.conftest import CALLBACK, web_client
from tests.senders.holder import BoundApp, KeyHolder
from tests.support.flows import Browser, answer_of, claims
from tests.support.running import RunningIdp

OFFLINE = "openid offline_access read"


def error_of(response: requests.Response) -> str:
    assert response.status_code == 400, response.text
    assert "DPoP" not in response.headers.get("WWW-Authenticate", "")
    return str(response.json()["error"])


def service_token(worker: BoundApp, **data: Any) -> requests.Response:
    return worker.post("/oauth/token", grant_type="client_credentials", scope="read", **data)


def test_a_service_gets_a_token_bound_to_its_key(worker: BoundApp) -> None:
    response = service_token(worker)
    document = response.json()
    assert (response.status_code, document["token_type"]) == (200, "DPoP")
    assert claims(document["access_token"])["cnf"] == {"jkt": worker.key.jkt}
    shown = worker.introspect(document["access_token"])
    assert (shown["active"], shown["token_type"], shown["cnf"]) == (True, "DPoP", {"jkt": worker.key.jkt})


def test_without_a_proof_nothing_is_bound(worker: BoundApp) -> None:
    document = service_token(worker, proof=None).json()
    assert document["token_type"] == "Bearer"
    assert "cnf" not in claims(document["access_token"])
    assert worker.introspect(document["access_token"])["token_type"] == "Bearer"


@pytest.mark.parametrize(
    "wrong",
    [
        {"htm": "GET"},
        {"htu": "https://other.test/oauth/token"},
        {"iat": 1},
        {"jti": None},
        {"header": {"typ": "JWT"}},
        {"header": {"jwk": KeyHolder().public}},
    ],
)
def test_a_wrong_proof_gets_nothing(worker: BoundApp, wrong: dict[str, Any]) -> None:
    proof = worker.key.proof("POST", f"{worker.idp}/oauth/token", **wrong)
    assert error_of(service_token(worker, proof=proof)) == "invalid_dpop_proof"


@pytest.mark.parametrize("proof", ["", "x", "a.b.c", "e30.e30.AAAA", "x" * 7000])
def test_what_is_no_proof_gets_nothing(worker: BoundApp, proof: str) -> None:
    assert error_of(service_token(worker, proof=proof)) == "invalid_dpop_proof"


def test_two_proofs_get_nothing(worker: BoundApp) -> None:
    """Two headers of one name reach every server as one with a comma."""
    two = ", ".join(worker.key.proof("POST", f"{worker.idp}/oauth/token") for _ in range(2))
    assert error_of(service_token(worker, proof=two)) == "invalid_dpop_proof"


def test_a_proof_may_name_the_address_in_any_of_its_spellings(worker: BoundApp) -> None:
    address = worker.idp.replace("http://", "HTTP://") + "/oauth/%74oken?x=y#z"
    assert service_token(worker, proof=worker.key.proof("POST", address)).status_code == 200


def test_a_client_whose_tokens_are_always_bound_must_prove_a_key(idp: RunningIdp) -> None:
    client = idp.client(grant_types=["client_credentials"], audience=[API], dpop_bound_access_tokens=True)
    app = BoundApp(idp.url, client)
    assert error_of(service_token(app, proof=None)) == "invalid_dpop_proof"
    assert service_token(app).json()["token_type"] == "DPoP"


def test_a_code_is_redeemed_for_a_bound_token(web: BoundApp, person: str) -> None:
    tokens = web.tokens(Browser(web.idp), person, scope=OFFLINE)
    assert tokens["token_type"] == "DPoP"
    assert "cnf" not in web.introspect(tokens["refresh_token"])
    assert claims(tokens["access_token"])["cnf"] == {"jkt": web.key.jkt}
    assert "cnf" not in claims(tokens["id_token"])


def test_a_code_that_is_bound_to_a_key_is_for_its_holder_alone(idp: RunningIdp, spa: BoundApp, person: str) -> None:
    answer, verifier = spa.login(Browser(idp.url), person, scope=OFFLINE, dpop_jkt=spa.key.jkt)
    thief = BoundApp(idp.url, spa.client)
    assert error_of(thief.redeem(answer["code"], verifier)) == "invalid_grant"
    assert error_of(spa.redeem(answer["code"], verifier, proof=None)) == "invalid_grant"
    assert spa.redeem(answer["code"], verifier).json()["token_type"] == "DPoP"


@pytest.mark.parametrize("jkt", ["x", "A" * 42, "A" * 44, "A" * 42 + "="])
def test_a_malformed_key_in_an_authorization_request_is_refused(idp: RunningIdp, spa: BoundApp, jkt: str) -> None:
    url, _verifier = spa.authorize_url(dpop_jkt=jkt)
    assert answer_of(Browser(idp.url).open(url))["error"] == "invalid_request"


def test_a_public_clients_refresh_token_is_bound_to_its_key(idp: RunningIdp, spa: BoundApp, person: str) -> None:
    first = spa.tokens(Browser(idp.url), person, scope=OFFLINE)["refresh_token"]
    thief = BoundApp(idp.url, spa.client)
    assert error_of(thief.refresh(first)) == "invalid_grant"
    assert error_of(spa.refresh(first, proof=None)) == "invalid_grant"
    second = spa.refresh(first).json()
    assert claims(second["access_token"])["cnf"] == {"jkt": spa.key.jkt}
    assert error_of(thief.refresh(second["refresh_token"])) == "invalid_grant"
    assert spa.refresh(second["refresh_token"]).status_code == 200


def test_within_the_window_only_the_same_key_gets_the_same_answer(spa: BoundApp, person: str) -> None:
    first = spa.tokens(Browser(spa.idp), person, scope=OFFLINE)["refresh_token"]
    answers = {spa.refresh(first).content for _ in range(3)}
    assert len(answers) == 1
    thief = BoundApp(spa.idp, spa.client)
    assert error_of(thief.refresh(first)) == "invalid_grant"
    assert error_of(spa.refresh(first, proof=None)) == "invalid_grant"
    assert {spa.refresh(first).content} == answers


def test_a_confidential_client_may_change_its_key(web: BoundApp, person: str) -> None:
    """Its refresh tokens are bound to its authentication (RFC 9449 §5)."""
    first = web.tokens(Browser(web.idp), person, scope=OFFLINE)["refresh_token"]
    renewed = BoundApp(web.idp, web.client)
    answer = renewed.refresh(first).json()
    assert claims(answer["access_token"])["cnf"] == {"jkt": renewed.key.jkt}
    assert error_of(web.refresh(first)) == "invalid_grant"


def test_a_public_client_that_begins_to_prove_a_key_is_bound_from_then_on(spa: BoundApp, person: str) -> None:
    answer, verifier = spa.login(Browser(spa.idp), person, scope=OFFLINE)
    unbound = spa.redeem(answer["code"], verifier, proof=None).json()
    assert unbound["token_type"] == "Bearer"
    bound = spa.refresh(unbound["refresh_token"]).json()
    assert bound["token_type"] == "DPoP"
    assert error_of(spa.refresh(bound["refresh_token"], proof=None)) == "invalid_grant"
    assert spa.refresh(bound["refresh_token"]).status_code == 200


def test_a_refused_proof_uses_nothing_up(spa: BoundApp, person: str) -> None:
    answer, verifier = spa.login(Browser(spa.idp), person, scope=OFFLINE)
    old = spa.key.proof("POST", f"{spa.idp}/oauth/token", iat=int(time.time()) - 3600)
    assert error_of(spa.redeem(answer["code"], verifier, proof=old)) == "invalid_dpop_proof"
    tokens = spa.redeem(answer["code"], verifier).json()
    assert error_of(spa.refresh(tokens["refresh_token"], proof=old)) == "invalid_dpop_proof"
    assert spa.refresh(tokens["refresh_token"]).status_code == 200


def test_revocation_needs_no_proof(spa: BoundApp, person: str) -> None:
    tokens = spa.tokens(Browser(spa.idp), person, scope=OFFLINE)
    assert spa.post("/oauth/revoke", token=tokens["refresh_token"], proof=None).status_code == 200
    assert spa.userinfo(tokens["access_token"]).status_code == 401


def test_metadata_announces_the_algorithms_and_browsers_may_send_proofs(idp: RunningIdp) -> None:
    for path in ("openid-configuration", "oauth-authorization-server"):
        document = requests.get(f"{idp.url}/.well-known/{path}", timeout=10).json()
        assert document["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "Ed25519", "EdDSA"]
    for path in ("/oauth/token", "/oauth/userinfo"):
        preflight = requests.options(f"{idp.url}{path}", headers={"Origin": "https://spa.test"}, timeout=10)
        assert "DPoP" in preflight.headers["Access-Control-Allow-Headers"].split(", ")
        answer = requests.post(f"{idp.url}{path}", headers={"Origin": "https://spa.test"}, timeout=10)
        assert "DPoP-Nonce" in answer.headers["Access-Control-Expose-Headers"].split(", ")


@pytest.mark.parametrize("value", ["true", 1, None])
def test_the_registered_binding_is_true_or_false(idp: RunningIdp, value: Any) -> None:
    with pytest.raises(AssertionError, match="dpop_bound_access_tokens must"):
        web_client(idp, dpop_bound_access_tokens=value)


def test_what_an_authorization_response_would_carry_unbound_is_not_registered(tmp_path: Any) -> None:
    client = {
        "redirect_uris": [CALLBACK],
        "security_profile": "oidc",
        "grant_types": ["implicit"],
        "response_types": ["id_token token"],
        "dpop_bound_access_tokens": True,
    }
    idp = RunningIdp(tmp_path / "idp", implicit="true")
    idp.cli("init")
    with pytest.raises(AssertionError, match="cannot carry a bound access token"):
        idp.client(**client)
