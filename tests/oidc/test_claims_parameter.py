"""The `claims` parameter (OpenID Connect Core §5.5): by name, in either place, within what the client may have and the person allows."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.oidc.conftest import CLAIMS, Relying
from tests.oidc.rp import ALWAYS, FLOWS, Flow, Tokens, claims_parameter
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp

ESSENTIAL = {"essential": True}
VOUCHES = {"at_hash", "c_hash", "s_hash", "nonce"}


def by_name(tokens: Tokens) -> list[set[str]]:
    """The person's claims in each ID token."""
    return [set(identity) - ALWAYS - VOUCHES for identity in tokens.identities]


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_an_essential_claim_is_told_where_it_was_asked_for(relying: Relying, signed_in: Browser, flow: Flow) -> None:
    """oidcc-claims-essential"""
    party = relying(flow)
    place = "id_token" if flow.response_type == "id_token" else "userinfo"
    tokens = party.tokens_of(signed_in, claims=claims_parameter(**{place: {"name": ESSENTIAL}}))
    for token in tokens.access:
        assert party.userinfo(token).json() == {"sub": tokens.identity["sub"], "name": "Ada Lovelace"}
    assert by_name(tokens) == [{"name"} if place == "id_token" else set()] * len(tokens.identities)


FORMS: list[Any] = [
    None,
    {},
    {"essential": False},
    {"essential": True},
    {"value": "x"},
    {"values": ["x", "y"]},
    {"value": 5, "purpose": "why"},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_claim_may_be_asked_for_in_several_forms(relying: Relying, signed_in: Browser, form: Any) -> None:
    """fapi2-...-test-claims-parameter-identity-claims: all of them in both places, with unknown ones among them"""
    party = relying("code")
    names = [*CLAIMS, "email", "email_verified", "preferred_username", "updated_at", "auth_time", "unknown", "name#de"]
    asked = dict.fromkeys(names, form)
    strange = {"verified_claims": [{"x": 1}], "https://x.test/claim": 5}
    tokens = party.tokens_of(signed_in, claims=claims_parameter(userinfo={**asked, **strange}, id_token=asked, other=1))
    known = {*CLAIMS, "email", "email_verified", "preferred_username", "updated_at"}
    assert by_name(tokens) == [known]
    assert party.userinfo(tokens.access[0]).json().keys() == {"sub", *known}
    assert {name: tokens.identity[name] for name in CLAIMS} == CLAIMS


def test_both_places_are_their_own_and_scopes_come_on_top(relying: Relying, signed_in: Browser) -> None:
    party = relying("code id_token")
    asked = claims_parameter(id_token={"nickname": None}, userinfo={"locale": None})
    tokens = party.tokens_of(signed_in, scope="openid phone", claims=asked)
    assert by_name(tokens) == [{"nickname"}, {"nickname"}]
    told = party.userinfo(tokens.access[0]).json()
    assert told.keys() == {"sub", "locale", "phone_number", "phone_number_verified"}


def test_what_was_asked_for_is_told_after_a_refresh_too(relying: Relying, signed_in: Browser) -> None:
    party = relying("code")
    asked = claims_parameter(id_token={"nickname": None}, userinfo={"locale": None})
    first = party.tokens_of(signed_in, scope="openid offline_access", claims=asked)
    second = party.refresh(first.response["refresh_token"]).json()
    assert party.verified(second["id_token"], party.start(nonce=None))["nickname"] == "Countess"
    assert party.userinfo(second["access_token"]).json().keys() == {"sub", "locale"}


MALFORMED = [
    "{",
    "[]",
    "5",
    "null",
    '"userinfo"',
    '{"userinfo": []}',
    '{"userinfo": "name"}',
    '{"id_token": 5}',
    '{"userinfo": {"name": true}}',
    '{"userinfo": {"name": ["x"]}}',
    '{"userinfo": {"name": {"essential": "true"}}}',
    '{"userinfo": {"name": {"values": "x"}}}',
    '{"userinfo": {"name": null, "name": null}}',
    '{"userinfo": NaN}',
    '{"userinfo":' + "[" * 60 + "]" * 60 + "}",
]


@pytest.mark.parametrize("value", MALFORMED, ids=lambda value: value[:36])
def test_what_is_malformed_is_refused(relying: Relying, signed_in: Browser, value: str) -> None:
    party = relying("code")
    assert party.received(signed_in.open(party.start(claims=value).url))["error"] == "invalid_request"


@pytest.mark.parametrize("value", ["", "{}", '{"userinfo": null}', '{"id_token": {}}', '{"x": 1}'])
def test_nothing_may_be_asked_for(relying: Relying, signed_in: Browser, value: str) -> None:
    party = relying("code")
    tokens = party.tokens_of(signed_in, claims=value)
    assert by_name(tokens) == [set()]


def test_nobody_gets_by_name_what_their_scopes_could_not_give(relying: Relying, signed_in: Browser) -> None:
    party = relying("code", scope="openid email")
    names = {"email": None, "phone_number": ESSENTIAL, "roles": None, "password": None}
    tokens = party.tokens_of(signed_in, claims=claims_parameter(id_token=names, userinfo=names))
    assert by_name(tokens) == [{"email"}]
    assert party.userinfo(tokens.access[0]).json().keys() == {"sub", "email"}


def test_without_openid_there_is_nobody_to_tell(relying: Relying, signed_in: Browser) -> None:
    party = relying("code")
    answer = party.answer(
        signed_in, sent := party.start(scope="email", claims=claims_parameter(userinfo={"name": None}))
    )
    token = party.redeem(answer["code"], sent.verifier).json()
    assert "id_token" not in token
    assert party.userinfo(token["access_token"]).status_code == 403


def test_the_person_is_asked_in_words_and_only_once(op: RunningIdp, relying: Relying, agent: Browser) -> None:
    party = relying("code", consent="ask", client_name="Curious")
    asked = claims_parameter(id_token={"phone_number": None})
    page = Page(agent.open(party.start(claims=asked).url))
    response = agent.submit(page, "login", username="ada", password=PASSWORD)
    assert "See your phone number" in response.text
    assert "e-mail" not in response.text
    party.received(agent.submit(Page(response), "consent", decision="allow"))
    assert "code" in party.received(agent.open(party.start(claims=asked).url))
    more = claims_parameter(id_token={"phone_number": None}, userinfo={"email": None})
    assert "See your e-mail address" in agent.open(party.start(claims=more).url).text


# -- who must log in --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ada(relying: Relying, signed_in: Browser) -> str:
    return str(relying("code").tokens_of(signed_in).identity["sub"])


@pytest.mark.parametrize("place", ["id_token", "userinfo"])
def test_the_named_person_is_let_through_silently(relying: Relying, signed_in: Browser, ada: str, place: str) -> None:
    for form in ({"value": ada}, {"values": ["somebody", ada]}, {"value": ada, "essential": True}):
        party = relying("code")
        tokens = party.tokens_of(signed_in, prompt="none", claims=claims_parameter(**{place: {"sub": form}}))
        assert tokens.identity["sub"] == ada


@pytest.mark.parametrize("value", ["somebody-else", "", "\0", "é", 5, None, ["x"]], ids=ascii)
def test_anybody_else_is_not(relying: Relying, signed_in: Browser, value: Any) -> None:
    party = relying("code")
    sent = party.start(prompt="none", claims=claims_parameter(id_token={"sub": {"value": value}}))
    assert party.received(signed_in.open(sent.url))["error"] == "login_required"


def test_logging_in_as_somebody_else_than_named_is_refused(relying: Relying, agent: Browser, ada: str) -> None:
    party = relying("code")
    asked = claims_parameter(id_token={"sub": {"value": ada}})
    assert party.answer(agent, party.start(claims=asked), "bob")["error"] == "login_required"
    assert party.tokens_of(agent, "ada", claims=asked).identity["sub"] == ada


def test_a_hint_and_a_claim_that_name_two_people_are_refused(relying: Relying, signed_in: Browser, ada: str) -> None:
    party = relying("code")
    hint = party.tokens_of(signed_in).hint
    good = party.start(prompt="none", id_token_hint=hint, claims=claims_parameter(id_token={"sub": {"value": ada}}))
    party.finish(good, party.received(signed_in.open(good.url)))
    bad = party.start(id_token_hint=hint, claims=claims_parameter(id_token={"sub": {"value": "other"}}))
    assert party.received(signed_in.open(bad.url))["error"] == "login_required"


def test_it_is_announced(op: RunningIdp) -> None:
    document = requests.get(f"{op.url}/.well-known/openid-configuration").json()
    assert document["claims_parameter_supported"] is True
    assert {*CLAIMS, "email", "email_verified", "sub", "acr", "auth_time"} <= set(document["claims_supported"])
    assert set(document["display_values_supported"]) == {"page", "popup", "touch"}
