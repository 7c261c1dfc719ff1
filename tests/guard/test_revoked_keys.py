"""An issuer tells that a key is revoked: it is refused at once, and what the issuer publishes long enough afterwards has the last word."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from joserfc.jwk import ECKey
from token_guard import Check, Guard, GuardError, IssuerTrust, JwksPolicy

from tests.guard.issuer import Issuer, running, send
from tests.guard.lists import eventually
from tests.guard.minting import AUDIENCE, EC, jwks, token
from tests.support.clocks import ManualClock

OTHER = ECKey.generate_key("P-256", {"kid": "other", "alg": "ES256", "use": "sig"})
COPIED_FOR = 300
PATIENCE = 30


class Told:
    """A guard that fetches from an issuer over HTTP and is told of keys, and its clock."""

    def __init__(self, issuer: Issuer, **trust: Any) -> None:
        self.issuer = issuer
        issuer.keys, issuer.max_age = jwks(EC, OTHER), COPIED_FOR
        self.clock = ManualClock()
        policy = JwksPolicy(connect_timeout=PATIENCE, total_timeout=PATIENCE)
        self.guard = Guard(IssuerTrust(issuer.url, AUDIENCE, policy=policy, **trust), now=self.clock.precise)

    def of_key_revoked(self, kid: str = "ec", told_at: float | None = None) -> None:
        events = {"urn:idp:event:status.key_revoked": {"sequence": 1, "status": {"kid": kid}}}
        self.guard.heed({"iss": self.issuer.url, "events": events}, told_at)

    def verdict(self, key: Any = EC) -> Check | None:
        """Why a token that this key signed now is refused; None: it is not."""
        now = self.clock.now()
        try:
            self.guard.validate(token(key=key, iss=self.issuer.url, iat=now - 1, exp=now + 300))
        except GuardError as error:
            return error.check
        return None

    def after(self, seconds: int) -> None:
        """Later, with the keys as the issuer publishes them then."""
        fetches = self.guard.keys()[self.issuer.url].fetches
        self.clock.advance(seconds)
        self.verdict(OTHER)
        eventually(lambda: self.guard.keys()[self.issuer.url].fetches > fetches, PATIENCE)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as server:
        yield server


@pytest.fixture
def told(issuer: Issuer) -> Told:
    told = Told(issuer)
    assert told.verdict() is told.verdict(OTHER) is None
    return told


def test_a_key_that_is_published_still_is_trusted_again(told: Told) -> None:
    """Who stole the other key, and may tell things while that is trusted, cannot make a good key useless for ever."""
    told.of_key_revoked()
    assert (told.verdict(), told.verdict(OTHER)) == (Check.KEY, None)
    told.after(COPIED_FOR + 1)
    assert told.verdict() is None


def test_what_may_be_a_copy_from_before_proves_nothing(told: Told) -> None:
    told.of_key_revoked()
    told.after(COPIED_FOR)
    assert told.verdict() is Check.KEY


def test_the_key_of_whoever_waits_for_it_is_enough_to_hear_the_last_word(told: Told) -> None:
    """Nothing comes but tokens of the key in question: they make the guard fetch, and are good then."""
    told.of_key_revoked()
    told.clock.advance(COPIED_FOR + 1)
    eventually(lambda: told.verdict() is None, PATIENCE)


def test_a_key_that_left_stays_refused(told: Told) -> None:
    told.of_key_revoked()
    told.issuer.keys = jwks(OTHER)
    for _ in range(3):
        told.after(COPIED_FOR + 1)
        assert (told.verdict(), told.verdict(OTHER)) == (Check.KEY, None)


def test_a_key_is_refused_for_as_long_as_the_issuer_is_away(told: Told) -> None:
    told.of_key_revoked()
    told.issuer.behave = lambda handler: send(handler, 503)
    for _ in range(3):
        told.after(COPIED_FOR * 10)
        assert (told.verdict(), told.verdict(OTHER)) == (Check.KEY, None)


def test_a_fetch_that_began_before_is_none_from_after(told: Told) -> None:
    asked, answer = threading.Event(), threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        assert answer.wait(PATIENCE)
        told.issuer.send_keys(handler)

    told.issuer.behave = hold
    with ThreadPoolExecutor(1) as pool:
        told.clock.advance(25 * 3600)  # nobody goes on with keys that old, so this one waits
        waiting = pool.submit(told.verdict, OTHER)
        assert asked.wait(PATIENCE)
        told.of_key_revoked()
        told.clock.advance(COPIED_FOR + 1)
        told.issuer.behave = told.issuer.send_keys
        answer.set()
        waiting.result(PATIENCE)
    assert told.verdict() is Check.KEY


def test_what_was_told_earlier_counts_from_then(told: Told) -> None:
    """Whoever starts later and is told what was told before does not refuse a key for longer than others."""
    earlier = told.clock.precise()
    told.clock.advance(COPIED_FOR + 1)
    told.of_key_revoked(told_at=earlier)
    assert told.verdict() is Check.KEY
    eventually(lambda: told.verdict() is None, PATIENCE)
    told.of_key_revoked()
    told.of_key_revoked(told_at=earlier)
    assert told.verdict() is Check.KEY


def test_what_is_told_again_counts_from_then(told: Told) -> None:
    told.of_key_revoked()
    told.clock.advance(COPIED_FOR)
    told.of_key_revoked()
    told.after(COPIED_FOR)
    assert told.verdict() is Check.KEY
    told.after(COPIED_FOR)
    assert told.verdict() is None
    told.of_key_revoked("other")
    assert (told.verdict(), told.verdict(OTHER)) == (None, Check.KEY)


def test_of_keys_at_hand_one_is_refused_for_good(issuer: Issuer) -> None:
    """They say nothing of what came after they were written down."""
    at_hand = {"keys": [EC.as_dict(private=False), OTHER.as_dict(private=False)]}
    told = Told(issuer, jwks=at_hand)
    assert told.verdict() is None
    told.of_key_revoked()
    for _ in range(3):
        told.after(100 * COPIED_FOR)
        assert (told.verdict(), told.verdict(OTHER)) == (Check.KEY, None)
    assert issuer.asked == 0
