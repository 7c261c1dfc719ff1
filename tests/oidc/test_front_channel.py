"""Implicit and hybrid flows: what comes in which response, what vouches for what, and how it ends (OpenID Connect Core §3.2, §3.3)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
import requests

from tests.oidc.conftest import Relying
from tests.oidc.rp import FLOWS, NO_PKCE, RESPONSE_TYPES, Flow, RelyingParty, received
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.flows import claims as payload
from tests.support.running import CliError, RunningIdp
from tests.support.status import is_revoked

HYBRID = [kind for kind in RESPONSE_TYPES if kind.startswith("code ")]
WITH_TOKEN = [kind for kind in RESPONSE_TYPES if "token" in kind.split()]
API, SCOPES = "https://front.test", ("read=Read things", "write=Write things")


@pytest.fixture(scope="session")
def api(op: RunningIdp) -> str:
    options = [word for scope in SCOPES for word in ("--scope", scope)]
    op.cli("resource", "create", API, "--claim", "roles", *options)
    return API


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_a_login_gives_what_its_response_type_says(relying: Relying, agent: Browser, flow: Flow) -> None:
    """oidcc-server"""
    party = relying(flow)
    tokens = party.tokens_of(agent)
    for token in tokens.access:
        assert party.userinfo(token).json() == {"sub": tokens.identity["sub"]}


@pytest.mark.parametrize("kind", RESPONSE_TYPES)
def test_the_words_of_a_response_type_come_in_any_order(relying: Relying, signed_in: Browser, kind: str) -> None:
    party = relying(kind)
    for words in permutations(kind.split()):
        sent = party.start(response_type=" ".join(words))
        party.finish(sent, party.answer(signed_in, sent))


@pytest.mark.parametrize("kind", [kind for kind in RESPONSE_TYPES if kind != "code"])
def test_no_token_is_ever_in_a_query(relying: Relying, signed_in: Browser, kind: str) -> None:
    party = relying(kind)
    answer = party.received(signed_in.open(party.start(response_mode="query").url))
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if "id_token" in flow.words], ids=str)
def test_an_id_token_in_the_response_needs_a_nonce(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-ensure-request-without-nonce-fails"""
    party = relying(flow)
    assert party.received(signed_in.open(party.start(nonce=None).url))["error"] == "invalid_request"


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if "id_token" not in flow.words], ids=str)
def test_a_nonce_is_optional_where_the_id_token_comes_for_a_code(relying: Relying, agent: Browser, flow: Flow) -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow"""
    assert "nonce" not in relying(flow).tokens_of(agent, nonce=None).identity


@pytest.mark.parametrize("kind", ["code", "id_token", "code id_token token"])
@pytest.mark.parametrize("nonce", ["x" * 43, "x" * 64, "x" * 384, "ü&=+%20"], ids=["43", "64", "384", "odd"])
def test_a_nonce_comes_back_byte_for_byte(relying: Relying, signed_in: Browser, kind: str, nonce: str) -> None:
    assert relying(kind).tokens_of(signed_in, nonce=nonce).identity["nonce"] == nonce


@pytest.mark.parametrize("kind", ["id_token", "code id_token"])
def test_an_id_token_in_the_response_needs_the_openid_scope(relying: Relying, signed_in: Browser, kind: str) -> None:
    party = relying(kind)
    assert party.received(signed_in.open(party.start(scope="profile").url))["error"] == "invalid_scope"


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if "code" not in flow.words], ids=str)
def test_nothing_is_offline_without_a_code(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """OpenID Connect Core §11: `offline_access` is ignored"""
    every = ["authorization_code", "implicit", "refresh_token"]
    party = relying(flow, response_types=["code", flow.response_type], grant_types=every)
    sent = party.start(scope="openid offline_access")
    answer = party.answer(signed_in, sent)
    party.finish(sent, answer)
    assert answer.get("scope", "openid") == "openid"


@pytest.mark.parametrize("kind", ["id_token", "id_token token"])
def test_without_a_code_there_is_nothing_to_bind_by_pkce(relying: Relying, signed_in: Browser, kind: str) -> None:
    for public in ("none", "client_secret_basic"):
        party = relying(kind, token_endpoint_auth_method=public)
        party.tokens_of(signed_in, **NO_PKCE)


def test_a_code_of_a_public_client_is_bound_by_pkce_in_hybrid_flows_too(relying: Relying, signed_in: Browser) -> None:
    party = relying("code id_token", token_endpoint_auth_method="none")
    assert party.received(signed_in.open(party.start(**NO_PKCE).url))["error"] == "invalid_request"
    party.tokens_of(signed_in)


# -- the tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITH_TOKEN)
def test_a_front_channel_access_token_is_like_every_other(
    op: RunningIdp, relying: Relying, signed_in: Browser, api: str, kind: str
) -> None:
    party = relying(kind, audience=[api])
    sent = party.start(scope="openid read", state=None)
    answer = party.answer(signed_in, sent)
    assert answer["scope"].split() == ["openid", "read"]
    front = payload(answer["access_token"])
    assert (front["aud"], front["client_id"], front["roles"]) == (api, party.client_id, [])
    assert party.introspect(answer["access_token"])["active"] is True
    tokens = party.finish(sent, answer)
    for token in tokens.access:
        assert payload(token).keys() == front.keys()
        assert payload(token)["jti"].partition(".")[0] == front["jti"].partition(".")[0]


@pytest.mark.parametrize("kind", [kind for kind in WITH_TOKEN if "code" in kind])
def test_a_reused_code_takes_the_front_channel_token_back_too(relying: Relying, signed_in: Browser, kind: str) -> None:
    """oidcc-codereuse-30seconds"""
    party = relying(kind)
    sent = party.start()
    answer = party.answer(signed_in, sent)
    tokens = party.finish(sent, answer)
    assert [party.userinfo(token).status_code for token in tokens.access] == [200, 200]
    again = party.redeem(answer["code"], sent.verifier)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert [party.userinfo(token).status_code for token in tokens.access] == [401, 401]


def test_revoking_the_family_ends_the_front_channel_token(relying: Relying, signed_in: Browser) -> None:
    party = relying("code token")
    tokens = party.tokens_of(signed_in, scope="openid offline_access")
    assert party.post("/oauth/revoke", token=tokens.response["refresh_token"]).status_code == 200
    assert [party.userinfo(token).status_code for token in tokens.access] == [401, 401]


@pytest.mark.parametrize("kind", ["id_token token", "code token"])
def test_a_front_channel_token_ends_with_its_session(op: RunningIdp, relying: Relying, kind: str) -> None:
    party, browser = relying(kind), Browser(op.url)
    answer = party.answer(browser, party.start())
    assert party.userinfo(answer["access_token"]).status_code == 200
    assert not is_revoked(answer["access_token"])
    browser.submit(Page(browser.open(f"{op.url}/oauth/logout")), "logout", confirm="yes")
    assert party.userinfo(answer["access_token"]).status_code == 401
    assert is_revoked(answer["access_token"])


def test_a_front_channel_token_ends_with_its_person(op: RunningIdp, relying: Relying) -> None:
    op.user("leaver")
    party, browser = relying("id_token token"), Browser(op.url)
    answer = party.answer(browser, party.start(), "leaver")
    op.cli("user", "disable", "leaver")
    assert party.userinfo(answer["access_token"]).status_code == 401


def test_a_hybrid_code_is_bound_to_its_client(relying: Relying, signed_in: Browser) -> None:
    party, other = relying("code id_token"), relying("code id_token", client_name="Other")
    sent = party.start()
    answer = party.answer(signed_in, sent)
    stolen = other.redeem(answer["code"], sent.verifier, redirect_uri=party.redirect_uri)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    party.finish(sent, answer)


def test_a_front_channel_token_for_a_resource_without_any_of_the_scopes_is_refused(
    op: RunningIdp, relying: Relying, signed_in: Browser, api: str
) -> None:
    party = relying("code token", audience=[api])
    sent = party.start(scope="read", resource=[op.issuer, api])
    assert party.received(signed_in.open(sent.url))["error"] == "invalid_scope"


# -- who may ------------------------------------------------------------------------------------------------------------


def test_a_client_uses_what_it_registered(op: RunningIdp, relying: Relying, signed_in: Browser) -> None:
    party = relying("code id_token")
    for kind in ("code", "id_token", "code token"):
        sent = party.start(response_type=kind)
        answer = received(signed_in.open(sent.url), party.redirect_uri, Flow(kind).mode)
        assert answer["error"] == "unauthorized_client", kind


@pytest.mark.parametrize("kind", ["token", "none", "code code", "code dance", "id_token  token", " "])
def test_other_response_types_are_not_supported(relying: Relying, signed_in: Browser, kind: str) -> None:
    """Implicit without an ID token is forbidden by OAuth 2.1 and unknown to OpenID Connect."""
    response = signed_in.open(relying("code").start(response_type=kind).url)
    assert answer_of(response)["error"] == "unsupported_response_type"


@pytest.mark.parametrize("profile", ["oauth21"])
@pytest.mark.parametrize("kind", ["id_token", "code id_token"])
def test_only_the_classic_profile_may_register_them(op: RunningIdp, profile: str, kind: str) -> None:
    with pytest.raises(CliError, match="response_types may hold code"):
        op.client(
            redirect_uris=["https://x.test/cb"],
            response_types=[kind],
            grant_types=Flow(kind).grant_types,
            security_profile=profile,
        )


CLASSIC: dict[str, Any] = {"redirect_uris": ["https://x.test/cb"], "security_profile": "oidc"}
MISFITS: list[dict[str, Any]] = [
    {"response_types": ["id_token"], "grant_types": ["authorization_code"]},
    {"response_types": ["id_token"], "grant_types": ["authorization_code", "implicit"]},
    {"response_types": ["code id_token"], "grant_types": ["authorization_code"]},
    {"response_types": ["code id_token"], "grant_types": ["implicit"]},
    {"response_types": ["code"], "grant_types": ["authorization_code", "implicit"]},
    {"response_types": [], "grant_types": ["implicit"]},
    {"response_types": ["token"]},
    {"response_types": ["id_token"], "redirect_uris": []},
    {"response_types": ["id_token"], "redirect_uris": ["http://127.0.0.1/cb"]},
    {"response_types": ["id_token"], "redirect_uris": ["https://localhost/cb"]},
]


@pytest.mark.parametrize("change", MISFITS, ids=str)
def test_response_types_and_grant_types_must_go_together(op: RunningIdp, change: dict[str, Any]) -> None:
    """RFC 7591 §2.1, OpenID Connect Registration §2"""
    with pytest.raises(CliError, match=r"invalid_(client_metadata|redirect_uri)|response_types|redirect_uris"):
        op.client(**{**CLASSIC, **change})


@pytest.mark.parametrize("kind", RESPONSE_TYPES)
def test_grant_types_that_are_not_said_follow_from_the_response_types(op: RunningIdp, kind: str) -> None:
    made = op.client(**CLASSIC, response_types=[" ".join(reversed(kind.split()))])
    assert set(made["grant_types"]) == set(Flow(kind).grant_types) - {"refresh_token"}


def test_they_are_announced(op: RunningIdp) -> None:
    for path in ("openid-configuration", "oauth-authorization-server"):
        document = requests.get(f"{op.url}/.well-known/{path}").json()
        assert set(document["response_types_supported"]) == set(RESPONSE_TYPES)
        assert {"authorization_code", "implicit"} <= set(document["grant_types_supported"])


def test_switched_off_they_are_neither_announced_nor_registered_nor_answered(idp: RunningIdp, web_app: App) -> None:
    document = requests.get(f"{idp.url}/.well-known/openid-configuration").json()
    assert document["response_types_supported"] == ["code"]
    assert "implicit" not in document["grant_types_supported"]
    with pytest.raises(CliError, match="not offered"):
        idp.client(**CLASSIC, response_types=["id_token"])
    classic = App(idp.url, idp.client(**CLASSIC))
    response = Browser(idp.url).open(classic.authorize_url(response_type="id_token", nonce="n")[0])
    assert answer_of(response)["error"] == "unsupported_response_type"


def test_a_client_that_registered_them_before_they_were_switched_off_gets_nothing(op: RunningIdp) -> None:
    party = RelyingParty(op, Flow("id_token"), op.client(**CLASSIC, response_types=["id_token"]))
    off = op.node(implicit="false")
    response = requests.get(party.start().url.replace(op.url, off), allow_redirects=False)
    assert answer_of(response)["error"] == "unsupported_response_type"
