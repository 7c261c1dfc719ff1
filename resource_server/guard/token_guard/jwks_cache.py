"""The keys of one issuer, kept fresh off the request path, stale rather than gone, and honest when they are away.

Requests read an immutable snapshot without a lock. A fetch is one flight an issuer: whoever needs its outcome waits for it. An unknown
kid asks for one refetch, throttled; it is a bad token only if a fetch was made after the token was issued, else nobody can know (503).
"""

from __future__ import annotations

import contextlib
import os
import random
import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock, Thread

from token_guard.errors import cannot_know, invalid_token
from token_guard.fetch import Fetched, FetchError, FetchJwks, fetch_jwks
from token_guard.keys import Keys, KeysError, VerificationKey, parse_jwks
from token_guard.trust import IssuerTrust

_ALL: weakref.WeakSet[JwksCache] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    keys: Keys
    fetched_at: float
    refresh_at: float
    stale_at: float


class JwksCache:
    """Finds verification keys by `kid`. Times are epoch seconds."""

    def __init__(self, trust: IssuerTrust, fetch: FetchJwks = fetch_jwks) -> None:
        self._trust = trust
        self._fetch = fetch
        self._snapshot: _Snapshot | None = None
        self._flight = Lock()
        self._landings = 0
        self._attempted_at = 0.0
        self._missed_at = 0.0
        self._failed_at = 0.0
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self.generation = 0
        _ALL.add(self)

    def find(self, kid: str, issued_at: float) -> VerificationKey:
        """The key; raises 401 when the issuer has no such key, 503 when that cannot be known."""
        snapshot = self._current()
        key = snapshot.keys.get(kid)
        if key is not None:
            return key
        return self._find_missing(kid, issued_at)

    def find_again(self, kid: str, issued_at: float, failed: VerificationKey) -> VerificationKey | None:
        """After a bad signature under a known kid: one throttled refetch; the key, when it is another one now."""
        self._on_miss()
        found = self.find(kid, issued_at)
        return found if found is not failed else None

    def warm(self) -> bool:
        """Fetch before the first request; whether there are keys now."""
        with contextlib.suppress(Exception):
            self._current()
        return self._snapshot is not None

    def age(self) -> float | None:
        """Seconds since the last good fetch, None when there was none: for readiness and metrics."""
        return None if self._snapshot is None else time.time() - self._snapshot.fetched_at

    def _current(self) -> _Snapshot:
        landings, snapshot, now = self._landings, self._snapshot, time.time()
        if snapshot is not None and now < snapshot.stale_at:
            if now >= snapshot.refresh_at and now - self._attempted_at >= self._trust.policy.retry_interval:
                self._refresh_in_background()
            return snapshot
        if now - self._failed_at >= self._trust.policy.retry_interval:
            self._fly(landings)
        return self._required()

    def _required(self) -> _Snapshot:
        snapshot = self._snapshot or self._from_disk()
        if snapshot is None or time.time() >= snapshot.stale_at:
            raise cannot_know("there are no keys of the issuer")
        return snapshot

    def _find_missing(self, kid: str, issued_at: float) -> VerificationKey:
        now = time.time()
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
            raise invalid_token("the issuer has no such key")
        raise cannot_know("the key is unknown and the keys are older than the token", retry_after=1)

    def _on_miss(self) -> bool:
        """Refetch, at most once an interval; says whether a fetch succeeded."""
        now = time.time()
        if now - self._missed_at < self._trust.policy.miss_interval:
            with self._flight:  # whoever missed first may be fetching right now
                return self._snapshot is not None and self._snapshot.fetched_at >= self._missed_at
        self._missed_at = now
        return self._fly(self._landings)

    def _remember_unknown(self, kid: str, now: float) -> None:
        self._unknown[kid] = now + self._trust.policy.negative_ttl
        while len(self._unknown) > self._trust.policy.negative_size:
            with contextlib.suppress(KeyError):
                self._unknown.popitem(last=False)

    def _refresh_in_background(self) -> None:
        if self._flight.locked():
            return
        self._attempted_at = time.time()
        Thread(target=self._fly, args=(self._landings,), name="jwks", daemon=True).start()

    def _fly(self, landings: int) -> bool:
        """Fetch, unless another flight landed since there were so many landings; then its outcome counts."""
        with self._flight:
            if self._landings != landings:
                return self._failed_at < self._attempted_at
            self._attempted_at = time.time()
            try:
                fetched = self._fetch(self._trust)
                keys = parse_jwks(fetched.body, max_keys=self._trust.policy.max_keys)
            except (FetchError, KeysError):
                self._failed_at = time.time()
                return False
            else:
                self._land(fetched, keys)
                return True
            finally:
                self._landings += 1

    def _land(self, fetched: Fetched, keys: Keys) -> None:
        policy, now = self._trust.policy, time.time()
        wished = policy.default_fresh if fetched.max_age is None else fetched.max_age
        fresh = min(max(wished, policy.min_fresh), policy.max_fresh)
        ahead = fresh * policy.refresh_ahead * random.uniform(0.95, 1.05)  # noqa: S311 - spreads fetches, no secret
        changed = self._snapshot is None or not _same(self._snapshot.keys, keys)
        self._snapshot = _Snapshot(keys, now, now + ahead, now + fresh + policy.stale_for)
        self._unknown.clear()
        if changed:
            self.generation += 1
        self._to_disk(fetched.body)

    def _to_disk(self, body: bytes) -> None:
        path = self._trust.policy.snapshot
        if path is None:
            return
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
            draft.replace(path)

    def _from_disk(self) -> _Snapshot | None:
        """What an earlier process saved: usable as stale keys while the issuer is down at a cold start."""
        path, policy = self._trust.policy.snapshot, self._trust.policy
        if path is None:
            return None
        try:
            written, keys = path.stat().st_mtime, parse_jwks(path.read_bytes(), max_keys=policy.max_keys)
        except (OSError, KeysError):
            return None
        self._snapshot = _Snapshot(keys, written, 0.0, written + policy.max_fresh + policy.stale_for)
        self.generation += 1
        return self._snapshot

    def after_fork(self) -> None:
        """A child starts with a lock of its own: the parent's might be held by a thread that is not here."""
        self._flight = Lock()


def _same(one: Keys, other: Keys) -> bool:
    return one.keys() == other.keys() and all(one[kid].key == other[kid].key for kid in one)


def _renew_locks() -> None:
    for cache in list(_ALL):
        cache.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
