"""Key sets that others publish at a URL (RFC 7517 §5): cached, refetched when a key is missed, kept for a while when their host is away.

A fetch is one flight a URL, and at most one in `RETRY` seconds for the same reason, however many ask; who misses a key waits for its outcome,
who has keys that are merely old does not. A worker waits for few fetches at once, so that slow hosts cannot take every thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import BoundedSemaphore, Lock
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from idp.clock import Clock
from idp.errors import ProtocolError, Unavailable
from idp.platform.forms import parse_json
from vetted_http import FetchError, Response

FRESH, STALE, RETRY = 300, 86400, 10
"""Seconds: how long a set counts as fresh, how long after that it may stand in while its host is away, and between two fetches."""
MAX_KEYS, MIN_RSA_BITS = 32, 2048
WAITING = 16
"""Threads of a worker that may wait for fetches at once."""
_SETS = 1_000
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})
Fetch = Callable[[str], Response]
log = structlog.get_logger("idp.keys")


class RemoteKeys:
    """The key sets behind any number of URLs."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = Lock()
        self._slots = BoundedSemaphore(WAITING)
        self._sets: OrderedDict[str, _RemoteSet] = OrderedDict()

    def current(self, url: str) -> tuple[Key, ...]:
        """The keys as last seen, fetched when they are old; empty when there are none to be had."""
        return self._set(url).current()

    def renewed(self, url: str) -> tuple[Key, ...]:
        """The keys after a miss: fetched again, unless that was done a moment ago."""
        return self._set(url).renewed()

    def seen(self, url: str) -> tuple[Key, ...]:
        """The keys as last seen, without any fetch."""
        return self._set(url).usable()

    def _set(self, url: str) -> _RemoteSet:
        with self._lock:
            found = self._sets.get(url)
            if found is None:
                found = self._sets[url] = _RemoteSet(url, self._fetch, self._clock, self._slots)
            self._sets.move_to_end(url)
            if len(self._sets) > _SETS:
                self._sets.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class _Good:
    keys: tuple[Key, ...]
    fetched_at: float


class _Why(Enum):
    """Why a set is fetched; each reason has a throttle of its own, so that a new key is found right after a first fetch."""

    OLD = "old"
    MISSED = "missed"


class _RemoteSet:
    """One URL. `_good` is the last set that could be read; times are epoch seconds."""

    def __init__(self, url: str, fetch: Fetch, clock: Clock, slots: BoundedSemaphore) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._slots = slots
        self._flight = Lock()
        self._good: _Good | None = None
        self._tried_at = dict.fromkeys(_Why, 0.0)

    def current(self) -> tuple[Key, ...]:
        good = self._good
        if good is None or self._clock.precise() - good.fetched_at >= FRESH:
            self._renew(_Why.OLD, wait=good is None)
        return self.usable()

    def renewed(self) -> tuple[Key, ...]:
        self._renew(_Why.MISSED, wait=True)
        return self.usable()

    def usable(self) -> tuple[Key, ...]:
        good = self._good
        if good is None or self._clock.precise() - good.fetched_at >= FRESH + STALE:
            return ()
        return good.keys

    def _renew(self, why: _Why, *, wait: bool) -> None:
        """Fetch, or wait for the fetch that is on; raises `Unavailable` when too many wait already."""
        if not self._is_due(why) and not self._flight.locked():
            return
        if not self._slots.acquire(blocking=False):
            if wait:
                raise Unavailable("too many fetches of keys at once")
            return
        try:
            if self._flight.acquire(blocking=wait):
                try:
                    self._fly(why)
                finally:
                    self._flight.release()
        finally:
            self._slots.release()

    def _fly(self, why: _Why) -> None:
        if not self._is_due(why):
            return  # whoever held the flight before fetched just now
        try:
            self._good = _Good(_read(self._fetch(self._url)), self._clock.precise())
        except (FetchError, ValueError) as error:
            log.warning("keys not fetched", url=self._url.partition("?")[0], reason=str(error))
        finally:
            self._tried_at[why] = self._clock.precise()

    def _is_due(self, why: _Why) -> bool:
        return self._clock.precise() - self._tried_at[why] >= RETRY


def _read(response: Response) -> tuple[Key, ...]:
    """The public keys of a JWK Set; what cannot be used is passed over (RFC 7517 §5). Raises `ValueError` for what is no key set."""
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    try:
        document = parse_json(response.body)
    except ProtocolError as error:
        raise ValueError("not JSON") from error
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise ValueError(f"not a set of at most {MAX_KEYS} keys")
    return tuple(key for one in found if (key := _public_key(one)) is not None)


def _public_key(jwk: Any) -> Key | None:
    if not isinstance(jwk, dict) or PRIVATE_MEMBERS & jwk.keys():
        return None
    try:
        key = JWKRegistry.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if is_weak(key) else key


def is_weak(key: Key) -> bool:
    """Whether it is an RSA key too short to prove anything (RFC 7518 §3.3)."""
    return isinstance(key.raw_value, RSAPublicKey) and key.raw_value.key_size < MIN_RSA_BITS
