"""Properties: no exchange gives more than was presented, than the rule says, or for longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import ProtocolError
from idp.oauth.exchange import narrowing
from idp.oauth.exchange.rules import ExchangeRule
from idp.oauth.resources import Resource
from idp.tokens import lineage
from tests.oauth.support import many

NAMES = ("read", "write", "pay", "users:read", "users:write", "openid")
scope_sets = st.sets(st.sampled_from(NAMES))
PARTIES = ("orders", "shipping", "helper")


def resource(uri: str, scopes: set[str]) -> Resource:
    return Resource(uri, uri, dict.fromkeys(scopes - {"openid"}, "words"))


@many
@given(scope_sets, scope_sets, scope_sets, scope_sets, scope_sets)
def test_no_scope_is_ever_added(
    source: set[str], target: set[str], allowed: set[str], presented: set[str], asked: set[str]
) -> None:
    here, there = resource("https://a.test", source), resource("https://b.test", target)
    rule = ExchangeRule("client", there.uri, tuple(allowed))
    had, wanted = " ".join(presented), " ".join(asked) or None
    try:
        given_ = set(narrowing.scope_of(wanted, had, source=here, target=there, rule=rule))
    except ProtocolError as error:
        assert error.code == "invalid_scope"
        possible = allowed & there.scopes.keys() & (presented | set(NAMES) - here.scopes.keys())
        assert not possible & asked if asked else not possible
        return
    assert given_ <= allowed
    assert given_ <= there.scopes.keys()
    assert given_ & here.scopes.keys() <= presented, "what the first API knows must be in its token"
    assert not asked or given_ <= asked


@many
@given(scope_sets, scope_sets, scope_sets)
def test_at_the_same_api_it_is_a_part_of_what_was_presented(
    defined: set[str], allowed: set[str], presented: set[str]
) -> None:
    api = resource("https://a.test", defined)
    rule = ExchangeRule("client", api.uri, tuple(allowed))
    try:
        assert set(narrowing.scope_of(None, " ".join(presented), source=api, target=api, rule=rule)) <= presented
    except ProtocolError as error:
        assert error.code == "invalid_scope"


@many
@given(
    st.lists(st.none() | st.integers(1, 900)), st.lists(st.integers(1, 10_000), min_size=1, max_size=3), st.integers(0)
)
def test_no_token_lives_longer_than_it_may(longest: list[int | None], left: list[int], now: int) -> None:
    ttl = narrowing.lifetime(longest, (now + seconds for seconds in left), now)
    assert 1 <= ttl <= min(left)
    assert all(ttl <= one for one in longest if one is not None)


@many
@given(st.lists(st.sampled_from(PARTIES), min_size=1, max_size=5))
def test_the_chain_of_actors_forgets_nobody(acting: list[str]) -> None:
    chain = None
    for actor in acting:
        chain = narrowing.actors(actor, chain)
    told = []
    while chain is not None:
        told.append(chain["sub"])
        assert chain.keys() <= {"sub", "act"}
        chain = chain.get("act")
    assert told == acting[::-1]


@pytest.mark.parametrize(
    ("claim", "allowed"),
    [
        (None, True),
        ({"sub": "orders"}, True),
        ({"sub": "person"}, False),
        ({"client_id": "orders"}, True),
        ({"client_id": "other"}, False),
        ({"sub": "orders", "client_id": "orders"}, True),
        ({"sub": "orders", "client_id": "other"}, False),
        ({"sub": "orders", "iss": "https://elsewhere.test"}, False),
        ({}, False),
        ("orders", False),
        ([{"sub": "orders"}], False),
    ],
)
def test_may_act_is_honoured_or_not_understood_and_then_nobody_may(claim: object, allowed: bool) -> None:
    assert narrowing.may_act(claim, "orders", "orders") is allowed


@many
@given(st.integers(0, 4), st.floats(1, 4e9))
def test_a_token_knows_what_it_was_exchanged_from(count: int, now: float) -> None:
    chain = ["grant.random"]
    for number in range(count):
        chain.append(lineage.succeed(chain[-1], now + number))
    assert lineage.ancestors(chain[-1]) == tuple(chain[:-1])
    assert lineage.exchanges(chain[-1]) == count
    at = lineage.exchanged_at(chain[-1])
    assert (at is None) if count == 0 else (at is not None and abs(at - (now + count - 1)) <= 0.001)
    assert len({lineage.succeed("x", now) for _ in range(20)}) == 20
