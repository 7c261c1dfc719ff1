"""How strong a login was: `acr_values`, the essential `acr` claim, and the truth in the tokens (OpenID Connect Core §5.5.1.1)."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.oidc.conftest import Relying, change_session
from tests.oidc.rp import FLOWS, Flow, claims_parameter
from tests.support.flows import Browser
from tests.support.flows import claims as payload
from tests.support.running import CliError, RunningIdp

UNMET = "unmet_authentication_requirements"


def supported(op: RunningIdp) -> list[str]:
    document = requests.get(f"{op.url}/.well-known/openid-configuration").json()
    levels: list[str] = document["acr_values_supported"]
    return levels


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_acr_values_are_honoured_and_one_of_them_is_told(
    op: RunningIdp, relying: Relying, signed_in: Browser, flow: Flow
) -> None:
    """oidcc-ensure-request-with-acr-values-succeeds"""
    levels = supported(op)
    tokens = relying(flow).tokens_of(signed_in, acr_values=" ".join(levels))
    for identity in tokens.identities:
        assert identity["acr"] in levels
        assert identity["amr"] == ["pwd"]
    for token in tokens.access:
        assert payload(token)["acr"] == tokens.identity["acr"]


@pytest.mark.parametrize("values", ["1 2", "phr", "phr 2fa", "urn:unknown 1fa", "\u00e9"])
def test_a_level_that_is_only_wished_for_and_cannot_be_had_changes_nothing(
    relying: Relying, signed_in: Browser, values: str
) -> None:
    party = relying("code")
    assert party.tokens_of(signed_in, prompt="none", acr_values=values).identity["acr"] == "1fa"


@pytest.mark.parametrize("form", [{"values": ["1fa"]}, {"value": "1fa"}, {"values": ["phr", "1fa"]}], ids=str)
def test_an_essential_level_that_is_met_is_told(relying: Relying, signed_in: Browser, form: dict[str, Any]) -> None:
    asked = claims_parameter(id_token={"acr": {**form, "essential": True}})
    assert relying("code id_token").tokens_of(signed_in, prompt="none", claims=asked).identity["acr"] == "1fa"


@pytest.mark.parametrize("prompt", [None, "none", "login"])
@pytest.mark.parametrize(
    "form", [{"values": ["2fa"]}, {"value": "phr"}, {"values": ["urn:x"]}, {"value": 5}, {"value": "\0"}], ids=ascii
)
@pytest.mark.parametrize("flow", [Flow("code"), Flow("id_token"), Flow("code token", "form_post")], ids=str)
def test_an_essential_level_that_cannot_be_met_is_an_error(
    relying: Relying, signed_in: Browser, flow: Flow, form: dict[str, Any], prompt: str | None
) -> None:
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0"""
    party = relying(flow)
    sent = party.start(prompt=prompt, claims=claims_parameter(id_token={"acr": {**form, "essential": True}}))
    assert party.received(signed_in.open(sent.url))["error"] == UNMET


@pytest.mark.parametrize(
    "form", [None, {}, {"essential": True}, {"values": ["2fa"]}, {"essential": False, "value": "phr"}]
)
def test_what_is_not_both_essential_and_a_value_is_a_wish(
    relying: Relying, signed_in: Browser, form: dict[str, Any] | None
) -> None:
    tokens = relying("code").tokens_of(signed_in, prompt="none", claims=claims_parameter(id_token={"acr": form}))
    assert tokens.identity["acr"] == "1fa"


@pytest.fixture
def strong(op: RunningIdp, relying: Relying, agent: Browser) -> Browser:
    """A browser with a login stronger than those that can be had here any more."""
    relying("code").tokens_of(agent)
    change_session(op, agent, acr="2fa", amr=["pwd", "otp"])
    return agent


TOLD: list[tuple[dict[str, str], str]] = [
    ({}, "2fa"),
    ({"acr_values": "2fa"}, "2fa"),
    ({"acr_values": "1fa 2fa"}, "2fa"),
    ({"acr_values": "1fa"}, "1fa"),
    ({"acr_values": "phr 1fa"}, "1fa"),
    ({"acr_values": "phr"}, "2fa"),
    ({"claims": claims_parameter(id_token={"acr": {"essential": True, "value": "1fa"}})}, "1fa"),
    ({"claims": claims_parameter(id_token={"acr": {"essential": True, "values": ["2fa", "phr"]}})}, "2fa"),
]


@pytest.mark.parametrize(("asked", "told"), TOLD, ids=[" ".join(asked.values())[:60] for asked, _ in TOLD])
def test_a_stronger_login_meets_a_weaker_demand_and_is_told_as_what_was_demanded(
    relying: Relying, strong: Browser, asked: dict[str, str], told: str
) -> None:
    tokens = relying("code id_token").tokens_of(strong, prompt="none", **asked)
    assert [identity["acr"] for identity in tokens.identities] == [told, told]
    assert payload(tokens.access[0])["acr"] == told
    assert tokens.identity["amr"] == ["pwd", "otp"]


def test_a_login_that_must_be_repeated_and_would_be_weaker_is_refused(relying: Relying, strong: Browser) -> None:
    asked = claims_parameter(id_token={"acr": {"essential": True, "value": "2fa"}})
    party = relying("code")
    assert party.answer(strong, party.start(prompt="login", claims=asked))["error"] == UNMET


def test_an_essential_claim_counts_more_than_acr_values(relying: Relying, signed_in: Browser) -> None:
    party = relying("code")
    asked = claims_parameter(id_token={"acr": {"essential": True, "value": "phr"}})
    assert party.received(signed_in.open(party.start(acr_values="1fa", claims=asked).url))["error"] == UNMET


def test_a_registered_default_level_is_a_wish(relying: Relying, signed_in: Browser) -> None:
    party = relying("code", default_acr_values=["2fa"])
    assert party.tokens_of(signed_in, prompt="none").identity["acr"] == "1fa"


@pytest.mark.parametrize("values", [["urn:x"], "1fa", [1], [""]])
def test_a_default_level_that_no_login_has_is_refused(op: RunningIdp, values: Any) -> None:
    with pytest.raises(CliError, match="default_acr_values"):
        op.client(redirect_uris=["https://x.test/cb"], default_acr_values=values)


def test_the_levels_that_are_announced_can_be_reached(op: RunningIdp) -> None:
    assert supported(op) == ["1fa", "2fa"]
