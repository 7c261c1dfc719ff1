"""Revocation without asking: status lists read, kept fresh, believed no longer than they may be, and pushed (draft-ietf-oauth-status-list-21)."""

from __future__ import annotations

import os
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from token_guard import Check, Guard, GuardError, IssuerTrust, JwksPolicy, Needs, StatusPolicy
from token_guard.fetch import Fetched
from token_guard.status_list import StatusListError, read_status_list

from tests.guard.issuer import Issuer, running
from tests.guard.lists import PATH, Shard, list_token, packed, placed, serve_list
from tests.guard.minting import AUDIENCE, EC, ISSUER, RSA, STRANGER, jwks, token
from tests.guard.test_jwks_cache import EAGER

DENY = Needs(on_stale="deny")
PATIENCE = 20


def refusal(shard: Shard, presented: str, needs: Needs | None = None) -> GuardError:
    with pytest.raises(GuardError) as caught:
        shard.guard.validate(presented, needs or Needs())
    return caught.value


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read(claims: dict[str, Any], max_bytes: int = 1000) -> Any:
    return read_status_list(claims=claims, uri="u", now=1000, skew=10, max_bytes=max_bytes)


def listed(bits: Any, lst: Any, **changes: Any) -> dict[str, Any]:
    return {"sub": "u", "iat": 1000, "status_list": {"bits": bits, "lst": lst}, **changes}


def test_the_examples_of_the_draft() -> None:
    """§4.1: one bit and two bits a token."""
    one = read(listed(1, "eNrbuRgAAhcBXQ"))
    assert [one.status(index) for index in range(16)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    two = read(listed(2, "eNo76fITAAPfAgc"))
    assert [two.status(index) for index in range(12)] == [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_status_has_as_many_bits_as_the_list_says(bits: int) -> None:
    octets = bytes(range(256))
    found = read(listed(bits, packed(octets)))
    number = int.from_bytes(octets, "little")
    for index in (0, 1, 7, 8, 100, 256 * 8 // bits - 1):
        assert found.status(index) == number >> index * bits & (1 << bits) - 1
    with pytest.raises(IndexError):
        found.status(256 * 8 // bits)
    changed = found.with_invalid([3, 5, 10**9])
    assert (changed.status(3), changed.status(5), changed.status(4)) == (1, 1, found.status(4))


WRONG: dict[str, dict[str, Any]] = {
    "another list": listed(1, packed(b"a"), sub="v"),
    "no subject": listed(1, packed(b"a"), sub=None),
    "no time": listed(1, packed(b"a"), iat=None),
    "from the future": listed(1, packed(b"a"), iat=2000),
    "expired": listed(1, packed(b"a"), exp=900),
    "an end that is none": listed(1, packed(b"a"), exp="never"),
    "no time to live": listed(1, packed(b"a"), ttl=0),
    "a negative time to live": listed(1, packed(b"a"), ttl=-5),
    "a text for a time to live": listed(1, packed(b"a"), ttl="15"),
    "no list": {"sub": "u", "iat": 1000},
    "a list for a list": {"sub": "u", "iat": 1000, "status_list": []},
    "three bits": listed(3, packed(b"a")),
    "true for one bit": listed(True, packed(b"a")),
    "a broken number of bits": listed(1.0, packed(b"a")),
    "a list of bits": listed([1], packed(b"a")),
    "no bits": listed(None, packed(b"a")),
    "nothing packed": listed(1, None),
    "a number packed": listed(1, 5),
    "bad letters": listed(1, "é!"),
    "not packed": listed(1, "AAAA"),
    "cut off": listed(1, packed(bytes(500))[:-6]),
    "something behind": listed(1, packed(b"a") + "AAAA"),
    "a bomb": listed(1, packed(bytes(10_000_000))),
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=list(WRONG))
def test_what_is_no_list_is_refused_whole(claims: dict[str, Any]) -> None:
    with pytest.raises(StatusListError):
        read(claims)


def test_a_revoked_or_suspended_token_is_refused() -> None:
    shard = Shard()
    shard.revoke(5)
    assert shard.guard.validate(shard.token(4))
    error = refusal(shard, shard.token(5))
    assert (error.status, error.code, error.check) == (401, "invalid_token", Check.STATUS)
    assert shard.asked == 1
    shard = Shard()
    shard.changes = {"status_list": {"bits": 2, "lst": packed(bytes([0b1000_0100]))}}
    assert shard.guard.validate(shard.token(0))
    assert shard.guard.validate(shard.token(2))
    assert refusal(shard, shard.token(1)).check is Check.STATUS
    assert refusal(shard, shard.token(3)).check is Check.STATUS


def test_an_index_behind_the_end_is_refused() -> None:
    shard = Shard()
    for index in (128, 10**6, 10**30):
        assert refusal(shard, shard.token(index)).check is Check.STATUS


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
    assert refusal(shard, shard.token(1, status=status)).status == 401
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
    assert refusal(shard, shard.token(5)).check is Check.STATUS
    assert shard.asked == 2


def test_a_list_is_fetched_ahead_in_the_background() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    shard.revoke(5)
    shard.clock.advance(13)
    shard.guard.validate(shard.token(4))
    eventually(lambda: shard.asked == 2)
    eventually(lambda: _is_refused(shard, shard.token(5)))
    assert shard.asked == 2


def _is_refused(shard: Shard, presented: str) -> bool:
    try:
        shard.guard.validate(presented)
    except GuardError:
        return True
    return False


@pytest.mark.parametrize(("ttl", "lives"), [(0.1, 1), (15, 15), (10**6, 3600), (None, 60)])
def test_the_time_to_live_has_bounds(ttl: float | None, lives: int) -> None:
    shard = Shard(refresh_ahead=2)
    shard.changes = {"ttl": ttl, "exp": None}
    assert shard.guard.validate(shard.token(5))
    shard.revoke(5)
    shard.clock.advance(lives - 0.5)
    assert shard.guard.validate(shard.token(5))
    shard.clock.advance(0.5)
    assert refusal(shard, shard.token(5)).check is Check.STATUS


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
    error = refusal(shard, shard.token(4), DENY)
    assert (error.status, error.check) == (503, Check.STATUS_AWAY)
    assert error.headers() == {"Retry-After": "1"}
    if seen_before:
        assert refusal(shard, shard.token(5)).check is Check.STATUS, "what was revoked stays revoked"
    else:
        assert shard.guard.validate(shard.token(5)), "nothing is known of it"
        assert shard.guard.lists().unchecked == 2
    shard.answer = shard.serve
    shard.clock.advance(2)
    assert shard.guard.validate(shard.token(4), DENY)
    assert refusal(shard, shard.token(5)).check is Check.STATUS


def test_the_guards_own_rule_is_for_operations_without_one() -> None:
    shard = Shard(on_stale="deny")
    shard.answer = shard.away
    assert refusal(shard, shard.token(4)).status == 503
    assert shard.guard.validate(shard.token(4), Needs(on_stale="allow"))


def test_an_outage_is_not_paid_for_by_each_request() -> None:
    shard = Shard()
    shard.answer = shard.away
    for _ in range(50):
        assert shard.guard.validate(shard.token(4))
        _is_refused(shard, shard.token(4))
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
    assert refusal(shard, shard.token(4), DENY).check is Check.STATUS_AWAY
    shard.answer = shard.serve
    shard.clock.advance(31)
    assert shard.guard.validate(shard.token(4), DENY)


def test_an_older_list_does_not_replace_a_newer_one() -> None:
    shard = Shard()
    older = shard.serve()
    shard.clock.advance(5)
    shard.revoke(5)
    assert refusal(shard, shard.token(5)).check is Check.STATUS
    shard.clock.advance(20)
    shard.answer = lambda: older
    assert refusal(shard, shard.token(5)).check is Check.STATUS
    assert refusal(shard, shard.token(4), DENY).check is Check.STATUS_AWAY


def test_a_push_that_names_tokens_takes_effect_at_once_even_when_the_list_is_away() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    shard.answer = shard.away
    events = {"urn:idp:event:status.changed": {"sequence": 1, "status": {"uri": shard.uri, "idx": [5, 7]}}}
    shard.guard.heed({"iss": ISSUER, "events": events})
    for index in (5, 7):
        assert refusal(shard, shard.token(index)).check is Check.STATUS
    assert shard.guard.validate(shard.token(6))


def test_a_push_without_names_makes_the_next_check_ask() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    shard.revoke(5)
    assert shard.guard.validate(shard.token(5))
    shard.guard.heed({"iss": ISSUER, "events": {"urn:idp:event:status.changed": {"status": {"uri": shard.uri}}}})
    assert refusal(shard, shard.token(5)).check is Check.STATUS
    assert shard.asked == 2
    shard.revoke(6)
    shard.guard.status_changed()
    assert refusal(shard, shard.token(6)).check is Check.STATUS


def test_a_push_overtakes_a_fetch_that_began_before_it() -> None:
    shard = Shard()
    asked, answer = threading.Event(), threading.Event()
    before = shard.serve()

    def hold() -> Fetched:
        asked.set()
        assert answer.wait(PATIENCE)
        return before

    shard.answer = hold
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shard.guard.validate, shard.token(4))
        assert asked.wait(PATIENCE)
        shard.revoke(5)
        shard.guard.status_changed(shard.uri, [7])
        shard.answer = shard.serve
        answer.set()
        assert waiting.result(PATIENCE)
    assert refusal(shard, shard.token(5)).check is Check.STATUS
    assert shard.asked == 2


def test_a_revoked_key_is_refused_at_once_and_for_good() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    events = {"urn:idp:event:status.key_revoked": {"sequence": 2, "status": {"kid": "ec"}}}
    shard.guard.heed({"iss": "https://other.test", "events": events})
    assert shard.guard.validate(shard.token(5))
    shard.guard.heed({"iss": ISSUER, "events": events})
    for _ in range(2):
        assert refusal(shard, shard.token(5)).check is Check.KEY
        shard.clock.advance(3600)


@pytest.mark.parametrize(
    "events",
    [
        None,
        [],
        "x",
        {"urn:idp:event:status.changed": None},
        {"urn:idp:event:status.changed": {"status": []}},
        {"urn:idp:event:status.changed": {"status": {"uri": 5, "idx": [1]}}},
        {"urn:idp:event:status.changed": {"status": {"uri": Shard.uri, "idx": "all"}}},
        {"urn:idp:event:status.changed": {"status": {"uri": Shard.uri, "idx": [True, -1, "x", 10**40]}}},
        {"urn:idp:event:status.key_revoked": {"status": {"kid": ["ec"]}}},
        {"urn:idp:event:user.changed": {"user": {"sub": "x"}}},
    ],
    ids=str,
)
def test_events_of_another_shape_do_nothing(events: Any) -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(1))
    shard.guard.heed({"iss": ISSUER, "events": events})
    assert shard.guard.validate(shard.token(1))


def test_a_pushed_list_is_taken_over() -> None:
    shard = Shard()
    shard.revoke(5)
    pushed = list_token(shard.uri, shard.clock.precise(), bytes(shard.octets))
    shard.guard.accept_list(pushed, uri=shard.uri, issuer=ISSUER)
    assert refusal(shard, shard.token(5)).check is Check.STATUS
    assert shard.asked == 0
    with pytest.raises(GuardError):
        shard.guard.accept_list(
            list_token(shard.uri, shard.clock.precise(), key=STRANGER), uri=shard.uri, issuer=ISSUER
        )
    with pytest.raises(GuardError):
        shard.guard.accept_list(pushed, uri=f"{shard.uri}0", issuer=ISSUER)


def test_a_kept_token_is_checked_against_its_list_each_time() -> None:
    shard = Shard()
    kept = Guard(
        IssuerTrust(ISSUER, AUDIENCE),
        fetch=lambda _trust: Fetched(jwks(EC), 3600),
        status=StatusPolicy(fetch=lambda *_: shard.serve()),
        cache_seconds=30,
        now=shard.clock.precise,
    )
    presented = shard.token(5)
    assert kept.validate(presented)
    assert kept.validate(presented)
    shard.revoke(5)
    kept.status_changed(shard.uri)
    with pytest.raises(GuardError) as caught:
        kept.validate(presented)
    assert caught.value.check is Check.STATUS


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


def test_a_million_tokens_with_one_in_a_hundred_revoked() -> None:
    """Small enough to send, and every bit at its place."""
    octets, chosen = bytearray(125_000), random.Random(1).sample(range(1_000_000), 10_000)
    for index in chosen:
        octets[index // 8] |= 1 << index % 8
    lst = packed(bytes(octets))
    assert len(lst) < 20_000
    found = read(listed(1, lst), max_bytes=125_000)
    assert sum(found.status(index) for index in chosen) == len(chosen)
    assert sum(map(int.bit_count, found.octets)) == len(chosen)
    assert zlib.decompress(zlib.compress(bytes(octets))) == found.octets


def test_a_child_checks_for_itself() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(4))
    child = os.fork()
    if child == 0:
        shard.revoke(4)
        shard.guard.status_changed()
        os._exit(0 if _is_refused(shard, shard.token(4)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
