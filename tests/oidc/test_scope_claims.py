"""Scopes release their claims at userinfo, every one, and leave the ID token lean (OpenID Connect Core §5.4, §5.3)."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.oidc.conftest import CLAIMS, Relying
from tests.oidc.rp import ALWAYS, FLOWS, Flow, RelyingParty, Tokens
from tests.support.flows import BARE_CHALLENGE, Browser
from tests.support.running import RunningIdp

SCOPES: dict[str, set[str]] = {
    "profile": {*CLAIMS, "preferred_username", "updated_at"} - {"phone_number", "phone_number_verified", "address"},
    "email": {"email", "email_verified"},
    "address": {"address"},
    "phone": {"phone_number", "phone_number_verified"},
}
SCOPES["profile email address phone"] = set().union(*SCOPES.values())
VOUCHES = {"at_hash", "c_hash", "s_hash", "nonce"}


def told(party: RelyingParty, tokens: Tokens) -> dict[str, Any]:
    """What the party learns of the person: at userinfo, or from the ID token where it has no access token."""
    if party.flow.response_type == "id_token":
        return tokens.identity
    for token in tokens.access:
        answer = party.userinfo(token)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["sub"] == tokens.identity["sub"]
    return {**answer.json()}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_every_claim_of_a_scope_is_told(relying: Relying, signed_in: Browser, flow: Flow, scope: str) -> None:
    """oidcc-scope-profile, -email, -address, -phone, -all"""
    party = relying(flow)
    tokens = party.tokens_of(signed_in, scope=f"openid {scope}")
    claims = told(party, tokens)
    extra = ALWAYS | VOUCHES if flow.response_type == "id_token" else {"sub"}
    assert claims.keys() - extra == SCOPES[scope]
    for name, value in CLAIMS.items():
        assert claims.get(name, value) == value
    assert claims.get("email", "ada@example.com") == "ada@example.com"
    assert claims.get("email_verified", True) is True
    assert isinstance(claims.get("updated_at", 0), int)
    if flow.response_type != "id_token":
        for identity in tokens.identities:
            assert identity.keys() <= ALWAYS | VOUCHES


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_the_order_of_scopes_and_parameters_means_nothing(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-alternate-happy-flow"""
    party = relying(flow)
    sent = party.start(scope="phone address email profile openid")
    path, _, query = sent.url.partition("?")
    answer = party.received(signed_in.open(f"{path}?{'&'.join(reversed(query.split('&')))}"))
    claims = told(party, party.finish(sent, answer))
    assert claims.keys() >= SCOPES["profile email address phone"]


def test_what_a_person_has_not_is_left_out(relying: Relying, agent: Browser) -> None:
    party = relying("code")
    tokens = party.tokens_of(agent, "bob", scope="openid profile email address phone")
    assert party.userinfo(tokens.access[0]).json() == {
        "sub": tokens.identity["sub"],
        "email": "bob@example.com",
        "email_verified": False,
        "preferred_username": "bob",
        "updated_at": pytest.approx(tokens.identity["iat"], abs=600),
    }


@pytest.fixture(scope="module")
def access(relying: Relying, signed_in: Browser) -> str:
    return relying("code").tokens_of(signed_in, scope="openid email").access[0]


def test_userinfo_takes_the_token_in_a_header_or_in_a_posted_body(op: RunningIdp, access: str) -> None:
    """oidcc-userinfo-get, -post-header, -post-body"""
    url, header = f"{op.url}/oauth/userinfo", {"Authorization": f"Bearer {access}"}
    answers = [
        requests.get(url, headers=header),
        requests.post(url, headers=header),
        requests.post(url, headers=header, data={"x": "y"}),
        requests.post(url, data={"access_token": access}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200]
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json().keys() == {"sub", "email", "email_verified"}


def test_userinfo_takes_no_token_from_a_query_and_none_twice(op: RunningIdp, access: str) -> None:
    url, header = f"{op.url}/oauth/userinfo", {"Authorization": f"Bearer {access}"}
    in_query = requests.get(url, params={"access_token": access})
    assert (in_query.status_code, in_query.headers["WWW-Authenticate"]) == (401, BARE_CHALLENGE)
    assert requests.post(url, headers=header, data={"access_token": access}).status_code == 400


def test_userinfo_needs_the_openid_scope(relying: Relying, signed_in: Browser) -> None:
    party = relying("code token")
    answer = party.answer(signed_in, party.start(scope="email"))
    refused = party.userinfo(answer["access_token"])
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


# -- ID tokens that carry the scopes' claims ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["code", "code id_token", "id_token token"])
def test_an_operator_may_put_the_claims_of_scopes_into_a_clients_id_tokens(
    relying: Relying, signed_in: Browser, kind: str
) -> None:
    party = relying(kind, scope_claims_in_id_token=True)
    tokens = party.tokens_of(signed_in, scope="openid email phone offline_access")
    for identity in tokens.identities:
        assert identity.keys() - ALWAYS - VOUCHES == SCOPES["email"] | SCOPES["phone"]
    if kind == "code":
        again = party.refresh(tokens.response["refresh_token"], scope="openid email").json()
        assert party.verified(again["id_token"], party.start(nonce=None)).keys() >= SCOPES["email"]


@pytest.mark.parametrize("value", ["yes", 1, None, []])
def test_the_setting_is_yes_or_no(op: RunningIdp, value: Any) -> None:
    with pytest.raises(AssertionError, match="scope_claims_in_id_token"):
        op.client(redirect_uris=["https://x.test/cb"], scope_claims_in_id_token=value)
