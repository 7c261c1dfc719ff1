"""Bound tokens and exchange: whoever calls on holds a key of their own, and no binding is lost on the way (RFC 9449)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import API
from tests.delegation.support import ACCESS_TOKEN, TOKEN_EXCHANGE, USERS, Service, refused
from tests.senders.holder import BoundApp, KeyHolder
from tests.support.flows import Browser, claims
from tests.support.running import RunningIdp


class BoundService(BoundApp, Service):
    """A service that sends a proof of its key with everything."""


@pytest.fixture(scope="module")
def holder(idp: RunningIdp, users_api: str) -> BoundService:
    """A service with a key, and with a rule."""
    grants = ["client_credentials", TOKEN_EXCHANGE]
    service = BoundService(idp.url, idp.client(grant_types=grants, audience=[API, users_api]))
    service.allow(idp, "--scope", "read")
    return service


@pytest.fixture
def bound(idp: RunningIdp, person: str) -> str:
    """A person's token, bound to the key of their app."""
    app = BoundApp(idp.url, idp.client(redirect_uris=["https://bound.test/cb"], audience=[API]))
    token: str = app.tokens(Browser(idp.url), person, scope="openid read")["access_token"]
    assert claims(token)["cnf"] == {"jkt": app.key.jkt}
    return token


def test_an_exchanged_token_is_bound_to_the_key_of_who_exchanged(holder: BoundService, token: str, bound: str) -> None:
    for presented in (token, bound):
        answer = holder.exchange(presented).json()
        assert answer["token_type"] == "DPoP"
        assert claims(answer["access_token"])["cnf"] == {"jkt": holder.key.jkt}
        assert holder.introspect(answer["access_token"])["cnf"] == {"jkt": holder.key.jkt}


def test_a_bound_token_is_not_exchanged_for_an_unbound_one(orders: Service, holder: BoundService, bound: str) -> None:
    assert refused(orders.exchange(bound)) == (400, "invalid_request")
    assert refused(holder.exchange(bound, proof=None)) == (400, "invalid_request")


def test_an_unbound_token_is_exchanged_with_or_without_a_key(holder: BoundService, token: str) -> None:
    assert "cnf" not in holder.exchanged(token, proof=None)


def test_a_bound_token_of_its_own_needs_that_very_key(holder: BoundService, token: str) -> None:
    own = holder.own_token(resource=API)
    for presented in ({"token": own}, {"token": token, "actor_token": own, "actor_token_type": ACCESS_TOKEN}):
        asked: dict[str, Any] = {**presented}
        other = KeyHolder().proof("POST", f"{holder.issuer}/oauth/token")
        assert refused(holder.exchange(**asked, proof=other)) == (400, "invalid_request")
        assert holder.exchanged(**asked)["cnf"] == {"jkt": holder.key.jkt}


def test_a_used_proof_exchanges_nothing(holder: BoundService, token: str) -> None:
    proof = holder.key.proof("POST", f"{holder.issuer}/oauth/token")
    assert holder.exchange(token, proof=proof).status_code == 200
    response = holder.exchange(token, proof=proof, audience=USERS)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_dpop_proof")
