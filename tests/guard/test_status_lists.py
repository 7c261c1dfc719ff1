"""Revocation without asking: status lists kept fresh, believed no longer than they may be, and away (draft-ietf-oauth-status-list-21)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from token_guard import Check, Guard, GuardError, IssuerTrust, JwksPolicy, Needs, StatusPolicy
from token_guard.fetch import Fetched

from tests.guard.issuer import Issuer, running
from tests.guard.lists import DENY, PATH, Shard, eventually, list_token, packed, placed, serve_list
from tests.guard.minting import AUDIENCE, ISSUER, RSA, STRANGER, jwks, token
from tests.guard.test_jwks_cache import EAGER


def test_a_revoked_or_suspended_token_is_refused() -> None:
    shard = Shard()
    shard.revoke(5)
    assert shard.guard.validate(shard.token(4))
    error = shard.refusal(shard.token(5))
    assert (error.status, error.code, error.check) == (401, "invalid_token", Check.STATUS)
    assert shard.asked == 1
    shard = Shard()
    shard.changes = {"status_list": {"bits": 2, "lst": packed(bytes([0b1000_0100]))}}
    assert shard.guard.validate(shard.token(0))
    assert shard.guard.validate(shard.token(2))
    assert shard.refusal(shard.token(1)).check is Check.STATUS
    assert shard.refusal(shard.token(3)).check is Check.STATUS


def test_an_index_behind_the_end_is_refused() -> None:
    shard = Shard()
    for index in (128, 10**6, 10**30):
        assert shard.refusal(shard.token(index)).check is Check.STATUS


PLACES: dict[str, Any] = {
    "a text": "valid",
    "nothing": {},
    "another mechanism": {"identifier_list": {}},
    "no index": {"status_list": {"uri": Shard.uri}},
    "no list": {"status_list": {"idx": 1}},
    "a negative index": {"status_list": {"idx": -1, "uri": Shard.uri}},
    "a truth": {"status_list": {"idx": True, "uri": Shard.uri}},
    "a fraction": {"status_list": {"idx": 1.5, "uri": Shard.uri}},
    "a number for a place": {"status_list": {"idx": 1, "uri": 5}},
    "elsewhere": {"status_list": {"idx": 1, "uri": "https://evil.test/oauth/status/1"}},
    "nearly there": {"status_list": {"idx": 1, "uri": "https://id.test.evil.test/1"}},
    "inside the user": {"status_list": {"idx": 1, "uri": "https://id.test@evil.test/1"}},
}


@pytest.mark.parametrize("status", PLACES.values(), ids=list(PLACES))
def test_a_place_that_is_none_is_refused_and_asks_nobody(status: Any) -> None:
    shard = Shard()
    assert shard.refusal(shard.token(1, status=status)).status == 401
    assert shard.asked == 0


def test_an_issuer_may_owe_every_token_a_place() -> None:
    owed = Guard(IssuerTrust(ISSUER, AUDIENCE, status_required=True), fetch=lambda _trust: Fetched(jwks(), 300))
    with pytest.raises(GuardError) as caught:
        owed.validate(token())
    assert caught.value.check is Check.CLAIMS


def test_a_revocation_takes_effect_within_the_lists_time_to_live() -> None:
    shard = Shard(refresh_ahead=2)
    assert shard.guard.validate(shard.token(5))
    shard.revoke(5)
    shard.clock.advance(14)
    assert shard.guard.validate(shard.token(5))
    shard.clock.advance(1)
    assert shard.refusal(shard.token(5)).check is Check.STATUS
    assert shard.asked == 2


def test_a_list_is_fetched_ahead_in_the_background() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    shard.revoke(5)
    shard.clock.advance(13)
    shard.guard.validate(shard.token(4))
    eventually(lambda: shard.asked == 2)
    eventually(lambda: shard.refuses(shard.token(5)))
    assert shard.asked == 2


@pytest.mark.parametrize(("ttl", "lives"), [(0.1, 1), (15, 15), (10**6, 3600), (None, 60)])
def test_the_time_to_live_has_bounds(ttl: float | None, lives: int) -> None:
    shard = Shard(refresh_ahead=2)
    shard.changes = {"ttl": ttl, "exp": None}
    assert shard.guard.validate(shard.token(5))
    shard.revoke(5)
    shard.clock.advance(lives - 0.5)
    assert shard.guard.validate(shard.token(5))
    shard.clock.advance(0.5)
    assert shard.refusal(shard.token(5)).check is Check.STATUS


def test_many_callers_at_a_stale_list_make_one_fetch() -> None:
    shard = Shard()
    presented = shard.token(5)
    barrier = threading.Barrier(20)

    def call(_number: int) -> str:
        barrier.wait(30)
        return shard.guard.validate(presented).subject

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(call, range(20))) == {"person-1"}
    assert shard.asked == 1


@pytest.mark.parametrize("seen_before", [True, False])
def test_when_the_list_is_away_each_operation_has_its_rule(seen_before: bool) -> None:
    shard = Shard()
    shard.revoke(5)
    if seen_before:
        assert shard.guard.validate(shard.token(4), DENY)
    shard.answer = shard.away
    shard.clock.advance(16)
    assert shard.guard.validate(shard.token(4))
    error = shard.refusal(shard.token(4), DENY)
    assert (error.status, error.check) == (503, Check.STATUS_AWAY)
    assert error.headers() == {"Retry-After": "1"}
    if seen_before:
        assert shard.refusal(shard.token(5)).check is Check.STATUS, "what was revoked stays revoked"
    else:
        assert shard.guard.validate(shard.token(5)), "nothing is known of it"
        assert shard.guard.lists().unchecked == 2
    shard.answer = shard.serve
    shard.clock.advance(2)
    assert shard.guard.validate(shard.token(4), DENY)
    assert shard.refusal(shard.token(5)).check is Check.STATUS


def test_the_guards_own_rule_is_for_operations_without_one() -> None:
    shard = Shard(on_stale="deny")
    shard.answer = shard.away
    assert shard.refusal(shard.token(4)).status == 503
    assert shard.guard.validate(shard.token(4), Needs(on_stale="allow"))


def test_an_outage_is_not_paid_for_by_each_request() -> None:
    shard = Shard()
    shard.answer = shard.away
    for _ in range(50):
        assert shard.guard.validate(shard.token(4))
        shard.refuses(shard.token(4))
    assert shard.asked == 1


BROKEN: dict[str, Callable[[Shard], bytes]] = {
    "no JWT": lambda _shard: b"<html>",
    "nothing": lambda _shard: b"",
    "bytes": lambda _shard: b"\xff\xfe",
    "an access token": lambda shard: shard.token(1).encode(),
    "another list": lambda shard: list_token(shard.uri + "2", shard.clock.precise()).encode(),
    "expired": lambda shard: list_token(shard.uri, shard.clock.precise(), exp=shard.clock.now() - 60).encode(),
    "signed by a stranger": lambda shard: list_token(shard.uri, shard.clock.precise(), key=STRANGER).encode(),
    "signed by a key nobody knows": lambda shard: list_token(shard.uri, shard.clock.precise(), key=RSA).encode(),
    "of another issuer": lambda shard: list_token(shard.uri, shard.clock.precise(), iss="https://evil.test").encode(),
    "a bomb": lambda shard: list_token(
        shard.uri, shard.clock.precise(), status_list={"bits": 1, "lst": packed(bytes(50_000_000))}
    ).encode(),
    "no number of bits": lambda shard: list_token(
        shard.uri, shard.clock.precise(), status_list={"bits": 9, "lst": packed(b"a")}
    ).encode(),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_list_is_a_list_that_is_away(body: Callable[[Shard], bytes]) -> None:
    shard = Shard()
    shard.answer = lambda: Fetched(body(shard))
    assert shard.guard.validate(shard.token(4))
    assert shard.refusal(shard.token(4), DENY).check is Check.STATUS_AWAY
    shard.answer = shard.serve
    shard.clock.advance(31)
    assert shard.guard.validate(shard.token(4), DENY)


def test_an_older_list_does_not_replace_a_newer_one() -> None:
    shard = Shard()
    older = shard.serve()
    shard.clock.advance(5)
    shard.revoke(5)
    assert shard.refusal(shard.token(5)).check is Check.STATUS
    shard.clock.advance(20)
    shard.answer = lambda: older
    assert shard.refusal(shard.token(5)).check is Check.STATUS
    assert shard.refusal(shard.token(4), DENY).check is Check.STATUS_AWAY


def test_lists_are_bounded_in_number() -> None:
    def fetch(uri: str, *_rest: Any) -> Fetched:
        return Fetched(list_token(uri, time.time()).encode())

    policy = StatusPolicy(fetch=fetch, max_lists=3)
    guarding = Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=lambda _trust: Fetched(jwks(), 300), status=policy)
    for number in range(10):
        assert guarding.validate(placed(f"{ISSUER}/{number}", 1))
    assert guarding.lists().kept == 3
    assert guarding.lists().fresh == 3


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


def test_over_http_an_unchanged_list_is_not_sent_again(issuer: Issuer) -> None:
    octets, begun = bytearray(16), time.time()
    asked = serve_list(issuer, lambda: list_token(issuer.url + PATH, begun, bytes(octets), iat=int(begun)).encode())
    trust = IssuerTrust(issuer.url, AUDIENCE, policy=JwksPolicy(**EAGER))
    guarding = Guard(trust, status=StatusPolicy(retry_interval=0))
    presented = placed(issuer.url + PATH, 5, iss=issuer.url)
    for _ in range(3):
        assert guarding.validate(presented, DENY)
        guarding.status_changed()
    assert [handler.headers.get("If-None-Match") is None for handler in asked] == [True, False, False]
    assert {handler.headers["Accept"] for handler in asked} == {"application/statuslist+jwt"}
    octets[0] = 0xFF
    with pytest.raises(GuardError) as caught:
        guarding.validate(presented)
    assert caught.value.check is Check.STATUS
