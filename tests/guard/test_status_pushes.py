"""Revocations that are pushed: tokens, lists and keys that the issuer tells of are refused at once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from token_guard import Check, Guard, GuardError, IssuerTrust, StatusPolicy
from token_guard.fetch import Fetched

from tests.guard.lists import DENY, PATIENCE, Shard, eventually, list_token
from tests.guard.minting import AUDIENCE, EC, ISSUER, STRANGER, jwks


def test_a_push_that_names_tokens_takes_effect_at_once_even_when_the_list_is_away() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    shard.answer = shard.away
    events = {"urn:idp:event:status.changed": {"sequence": 1, "status": {"uri": shard.uri, "idx": [5, 7]}}}
    shard.guard.heed({"iss": ISSUER, "events": events})
    for index in (5, 7):
        assert shard.refusal(shard.token(index)).check is Check.STATUS
    assert shard.guard.validate(shard.token(6))


def test_a_push_without_names_makes_the_next_check_ask() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    shard.revoke(5)
    assert shard.guard.validate(shard.token(5))
    shard.guard.heed({"iss": ISSUER, "events": {"urn:idp:event:status.changed": {"status": {"uri": shard.uri}}}})
    assert shard.refusal(shard.token(5)).check is Check.STATUS
    assert shard.asked == 2
    shard.revoke(6)
    shard.guard.status_changed()
    assert shard.refusal(shard.token(6)).check is Check.STATUS


def test_what_was_told_of_a_list_before_a_token_points_into_it_counts_until_the_list_is_had() -> None:
    shard = Shard()
    shard.guard.status_changed(shard.uri, [5, 7])
    shard.answer = shard.away
    for index in (5, 7):
        assert shard.refusal(shard.token(index)).check is Check.STATUS
    assert shard.guard.validate(shard.token(6))
    shard.revoke(7)
    shard.answer = shard.serve
    shard.clock.advance(5)
    eventually(lambda: not shard.refuses(shard.token(5)))
    assert shard.refusal(shard.token(7)).check is Check.STATUS


def test_what_was_told_of_too_many_tokens_is_left_to_the_lists() -> None:
    shard = Shard()
    shard.answer = shard.away
    shard.guard.status_changed(shard.uri, [5])
    shard.guard.status_changed(f"{shard.uri}0", range(100_000))
    assert shard.guard.validate(shard.token(5))


def test_what_is_told_again_is_no_news() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(6))
    shard.revoke(5)
    for _ in range(3):
        shard.guard.status_changed(shard.uri, [5])
        assert shard.guard.validate(shard.token(6))
    assert shard.asked == 2
    shard.guard.status_changed(shard.uri, [5, 6])
    assert shard.refusal(shard.token(5)).check is Check.STATUS
    assert shard.asked == 3


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
    assert shard.refusal(shard.token(5)).check is Check.STATUS
    assert shard.asked == 2


@pytest.mark.parametrize(("index", "outcome"), [(4, None), (5, Check.STATUS)])
def test_who_must_know_asks_again_when_a_push_overtakes_their_fetch(index: int, outcome: Check | None) -> None:
    shard = Shard()

    def overtaken() -> Fetched:
        before, shard.answer = shard.serve(), shard.serve
        shard.revoke(5)
        shard.guard.status_changed(shard.uri, [5])
        return before

    shard.answer = overtaken
    if outcome is None:
        assert shard.guard.validate(shard.token(index), DENY)
    else:
        assert shard.refusal(shard.token(index), DENY).check is outcome
    assert shard.asked == 2


def test_a_revoked_key_is_refused_at_once_whatever_copies_of_the_keys_say() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(5))
    events = {"urn:idp:event:status.key_revoked": {"sequence": 2, "status": {"kid": "ec"}}}
    shard.guard.heed({"iss": "https://other.test", "events": events})
    assert shard.guard.validate(shard.token(5))
    shard.guard.heed({"iss": ISSUER, "events": events})
    for _ in range(2):
        assert shard.refusal(shard.token(5)).check is Check.KEY
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
    assert shard.refusal(shard.token(5)).check is Check.STATUS
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


def test_a_child_checks_for_itself() -> None:
    shard = Shard()
    assert shard.guard.validate(shard.token(4))
    child = os.fork()
    if child == 0:
        shard.revoke(4)
        shard.guard.status_changed()
        os._exit(0 if shard.refuses(shard.token(4)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
