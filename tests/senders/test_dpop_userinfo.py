"""Userinfo by bound tokens: only their holder is told, and everybody else gets the right challenge (RFC 9449 §7)."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.senders.holder import BoundApp, KeyHolder
from tests.support.flows import BARE_CHALLENGE, Browser
from tests.support.running import RunningIdp

ALGS = 'algs="ES256 PS256 Ed25519 EdDSA"'


@pytest.fixture(scope="module")
def app(idp: RunningIdp) -> BoundApp:
    client = idp.client(redirect_uris=["https://app.test/callback"], token_endpoint_auth_method="none")
    return BoundApp(idp.url, client)


@pytest.fixture(scope="module")
def token(app: BoundApp) -> str:
    """A bound token of Alice's."""
    return str(app.tokens(Browser(app.idp), "alice", scope="openid profile")["access_token"])


def challenge_of(response: requests.Response, code: str) -> None:
    """A 401 with this code, and nothing but the challenge of DPoP."""
    assert (response.status_code, response.json()["error"]) == (401, code)
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith(f'DPoP error="{code}", error_description="')
    assert challenge.endswith(ALGS)


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_the_holder_is_told(app: BoundApp, token: str, scheme: str) -> None:
    response = app.userinfo(token, scheme=scheme)
    assert (response.status_code, response.json()["given_name"]) == (200, "Alice")
    assert "DPoP-Nonce" not in response.headers


def test_the_proof_of_a_post_is_for_a_post(app: BoundApp, token: str) -> None:
    url = f"{app.idp}/oauth/userinfo"
    for method, status in (("POST", 200), ("GET", 401)):
        headers = {"Authorization": f"DPoP {token}", "DPoP": app.key.proof(method, url, token=token)}
        assert requests.post(url, headers=headers, timeout=10).status_code == status


def test_a_bound_token_is_not_taken_from_a_bearer(app: BoundApp, token: str) -> None:
    challenge_of(app.userinfo(token, scheme="Bearer"), "invalid_token")
    challenge_of(app.userinfo(token, scheme="Bearer", proof=""), "invalid_token")
    challenge_of(requests.post(f"{app.idp}/oauth/userinfo", data={"access_token": token}, timeout=10), "invalid_token")


def test_an_unbound_token_is_not_taken_with_a_proof(app: BoundApp) -> None:
    answer, verifier = app.login(Browser(app.idp), "alice")
    unbound = app.redeem(answer["code"], verifier, proof=None).json()["access_token"]
    challenge_of(app.userinfo(unbound), "invalid_token")
    assert app.userinfo(unbound, scheme="Bearer", proof="").status_code == 200


@pytest.mark.parametrize("wrong", [{"ath": None}, {"ath": "x"}, {"htm": "POST"}, {"htu": "https://other.test/"}])
def test_a_wrong_proof_is_refused(app: BoundApp, token: str, wrong: dict[str, Any]) -> None:
    proof = app.key.proof("GET", f"{app.idp}/oauth/userinfo", token=token, **wrong)
    challenge_of(app.userinfo(token, proof=proof), "invalid_dpop_proof")


def test_a_proof_of_another_key_is_refused(app: BoundApp, token: str) -> None:
    proof = KeyHolder().proof("GET", f"{app.idp}/oauth/userinfo", token=token)
    challenge_of(app.userinfo(token, proof=proof), "invalid_token")


def test_without_a_proof_or_with_one_that_was_used_nobody_is_told(app: BoundApp, token: str) -> None:
    challenge_of(app.userinfo(token, proof=""), "invalid_dpop_proof")
    proof = app.key.proof("GET", f"{app.idp}/oauth/userinfo", token=token)
    assert app.userinfo(token, proof=proof).status_code == 200
    challenge_of(app.userinfo(token, proof=proof), "invalid_dpop_proof")


def test_a_proof_for_another_endpoint_is_refused(app: BoundApp, token: str) -> None:
    proof = app.key.proof("GET", f"{app.idp}/oauth/token", token=token)
    challenge_of(app.userinfo(token, proof=proof), "invalid_dpop_proof")


def test_a_token_that_is_none_is_refused_in_the_scheme_it_came_by(app: BoundApp) -> None:
    challenge_of(app.userinfo("not.a.token"), "invalid_token")
    bearer = app.userinfo("not.a.token", scheme="Bearer")
    assert bearer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_both_ways_are_offered_to_whoever_brings_nothing(app: BoundApp) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"DPoP": "x"}):
        answer = requests.get(f"{app.idp}/oauth/userinfo", headers=headers, timeout=10)
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["WWW-Authenticate"] == BARE_CHALLENGE
