"""The keys of one issuer, kept fresh off the request path, stale rather than gone, and honest when they are away.

Requests read an immutable snapshot without a lock. A fetch is one flight an issuer: whoever needs its outcome waits for it. An unknown
kid asks for one refetch, throttled; it is a bad token only if a fetch was made after the token was issued, else nobody can know (503).
"""

from __future__ import annotations

import contextlib
import logging
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

from token_guard.checks import Check
from token_guard.errors import cannot_know, invalid_token
from token_guard.fetch import Fetched, FetchJwks, fetch_jwks
from token_guard.flights import Flight, SecondsLeft, forever
from token_guard.forking import survive_forks
from token_guard.keys import Keys, VerificationKey, parse_jwks
from token_guard.snapshots import read_snapshot, write_snapshot
from token_guard.trust import IssuerTrust

Now = Callable[[], float]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """`asked_at`: when it was asked for. A cache on the way may have answered, with what it had kept for up to `copied_for` seconds."""

    keys: Keys
    asked_at: float
    copied_for: float
    fetched_at: float
    refresh_at: float
    fresh_until: float
    stale_at: float


@dataclass(frozen=True, slots=True)
class KeysState:
    """How it stands with an issuer's keys: `age` in seconds, None without keys; `fresh` is false when they outlived their time."""

    age: float | None
    fresh: bool
    fetches: int
    failures: int


class JwksCache:
    """Finds verification keys by `kid`. Times are epoch seconds; `generation` rises when the keys change."""

    def __init__(
        self,
        trust: IssuerTrust,
        fetch: FetchJwks = fetch_jwks,
        now: Now = time.time,
        *,
        seconds_left: SecondsLeft = forever,
    ) -> None:
        self._trust = trust
        self._policy = trust.policy
        self._fetch = fetch
        self._now = now
        self._snapshot: _Snapshot | None = None
        self._flight = Flight("jwks", self._refresh, away=Check.KEYS_AWAY, seconds_left=seconds_left)
        self._failures = 0
        self._attempted_at = 0.0
        self._missed_at = 0.0
        self._failed_at = 0.0
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._revoked: dict[str, float] = {}
        self._telling = Lock()
        self.generation = 0
        survive_forks(self)

    def find(self, kid: str, issued_at: float) -> VerificationKey:
        """The key; raises 401 when the issuer has no such key, 503 when that cannot be known."""
        snapshot = self._current()
        if self._is_revoked(kid, snapshot):
            raise invalid_token(Check.KEY, "the key was revoked")
        key = snapshot.keys.get(kid)
        if key is not None:
            return key
        return self._find_missing(kid, issued_at)

    def find_again(self, kid: str, issued_at: float, failed: VerificationKey) -> VerificationKey | None:
        """After a bad signature under a known kid: one throttled refetch; the key, when it is another one now."""
        self._on_miss()
        found = self.find(kid, issued_at)
        return found if found is not failed else None

    def forget(self, kid: str, told_at: float) -> None:
        """The issuer said then that a key is revoked: it is refused at once, whatever a copy of the keys that is still around may say.

        What the issuer publishes has the last word, once it must have been said after this: whoever stole one of its keys could name a
        good one here, which would be lost for ever. Keys at hand are published by nobody; of those it is refused for good.
        """
        with self._telling:
            snapshot = self._snapshot
            outlived = [old for old in self._revoked if snapshot is not None and not self._is_revoked(old, snapshot)]
            for old in outlived:
                del self._revoked[old]
            self._revoked[kid] = max(told_at, self._revoked.get(kid, told_at))
            self.generation += 1

    def _is_revoked(self, kid: str, snapshot: _Snapshot) -> bool:
        """Whether it was told so, and these keys may be older than that."""
        told_at = self._revoked.get(kid)
        return told_at is not None and snapshot.asked_at <= told_at + snapshot.copied_for

    def warm(self) -> bool:
        """Fetch before the first request; whether there are keys now."""
        with contextlib.suppress(Exception):
            self._current()
        return self._snapshot is not None

    def age(self) -> float | None:
        """Seconds since the last good fetch, None when there was none."""
        return self.state().age

    def state(self) -> KeysState:
        """For readiness and metrics."""
        snapshot, now = self._snapshot, self._now()
        if snapshot is None:
            return KeysState(None, False, self._flight.landings, self._failures)
        return KeysState(now - snapshot.fetched_at, now < snapshot.fresh_until, self._flight.landings, self._failures)

    def after_fork(self) -> None:
        """A child has a lock of its own, and its own time to refresh."""
        self._telling = Lock()
        if self._snapshot is not None:
            fresh = self._snapshot.fresh_until - self._snapshot.fetched_at
            self._snapshot = replace(self._snapshot, refresh_at=self._snapshot.fetched_at + self._ahead(fresh))

    def _current(self) -> _Snapshot:
        landings, snapshot, now = self._flight.landings, self._snapshot, self._now()
        if snapshot is not None and now < snapshot.stale_at:
            if now - snapshot.fetched_at >= self._policy.max_age and self._failed_at <= snapshot.fetched_at:
                self._flight.outcome(landings)
                return self._required()
            if now >= snapshot.refresh_at and now - self._attempted_at >= self._policy.retry_interval:
                self._flight.ahead()
            return snapshot
        if now - self._failed_at >= self._policy.retry_interval:
            self._flight.outcome(landings)
        return self._required()

    def _required(self) -> _Snapshot:
        snapshot = self._snapshot or self._from_disk()
        if snapshot is None or self._now() >= snapshot.stale_at:
            raise cannot_know(Check.KEYS_AWAY, "there are no keys of the issuer")
        return snapshot

    def _find_missing(self, kid: str, issued_at: float) -> VerificationKey:
        now = self._now()
        if self._unknown.get(kid, 0.0) <= now:
            self._on_miss()
            snapshot = self._required()
            if kid in snapshot.keys:
                return snapshot.keys[kid]
            self._remember_unknown(kid, now)
        snapshot = self._required()
        if kid in snapshot.keys:
            return snapshot.keys[kid]
        if snapshot.fetched_at > issued_at:
            raise invalid_token(Check.KEY, "the issuer has no such key")
        wait = int(self._missed_at + self._policy.miss_interval - now) + 1
        raise cannot_know(Check.KEYS_AWAY, "the key is unknown and the keys are older than the token", wait)

    def _on_miss(self) -> None:
        """Refetch, at most once an interval."""
        now = self._now()
        if now - self._missed_at < self._policy.miss_interval:
            self._flight.join()  # whoever missed first may be fetching right now: its outcome counts
            return
        self._missed_at = now
        self._flight.outcome(self._flight.landings)

    def _remember_unknown(self, kid: str, now: float) -> None:
        self._unknown[kid] = now + self._policy.negative_ttl
        while len(self._unknown) > self._policy.negative_size:
            with contextlib.suppress(KeyError):
                self._unknown.popitem(last=False)

    def _refresh(self) -> None:
        self._attempted_at = asked_at = self._now()
        try:
            fetched = self._fetch(self._trust)
            keys = parse_jwks(fetched.body or b"", max_keys=self._policy.max_keys)
        except Exception as error:  # whatever the other side sends, and whatever a fetch of the app's own raises
            self._fail(error)
        else:
            self._land(fetched, keys, asked_at)

    def _fail(self, error: Exception) -> None:
        self._failed_at = self._now()
        self._failures += 1
        age = self.age()
        serving = "there are none" if age is None else f"those of {age:.0f} s ago go on"
        log.warning("the keys of %s cannot be fetched (%s): %s", self._trust.issuer, error, serving)

    def _land(self, fetched: Fetched, keys: Keys, asked_at: float) -> None:
        policy, now = self._policy, self._now()
        wished = policy.default_fresh if fetched.max_age is None else fetched.max_age
        copied_for = min(max(wished, policy.min_fresh), policy.max_fresh)
        fresh = min(copied_for, policy.max_age)
        until = now + fresh
        self._keep(
            _Snapshot(
                keys=keys,
                asked_at=asked_at,
                copied_for=copied_for if self._trust.jwks is None else math.inf,
                fetched_at=now,
                refresh_at=now + self._ahead(fresh),
                fresh_until=until,
                stale_at=until + policy.stale_for,
            )
        )
        self._unknown.clear()
        write_snapshot(trust=self._trust, body=fetched.body or b"", now=now)

    def _ahead(self, fresh: float) -> float:
        return fresh * self._policy.refresh_ahead * random.uniform(0.95, 1.05)  # noqa: S311 - spreads fetches, no secret

    def _keep(self, snapshot: _Snapshot) -> None:
        changed = self._snapshot is None or not _same(self._snapshot.keys, snapshot.keys)
        self._snapshot = snapshot
        if changed:
            self.generation += 1

    def _from_disk(self) -> _Snapshot | None:
        """What an earlier process saved: usable as stale keys while the issuer is down at a cold start."""
        saved = read_snapshot(trust=self._trust)
        if saved is None:
            return None
        keys, fetched_at = saved
        policy = self._policy
        stale_at = fetched_at + policy.max_fresh + policy.stale_for
        self._keep(_Snapshot(keys, fetched_at, policy.max_fresh, fetched_at, 0.0, 0.0, stale_at))
        return self._snapshot


def _same(one: Keys, other: Keys) -> bool:
    return one.keys() == other.keys() and all(one[kid] == other[kid] for kid in one)
