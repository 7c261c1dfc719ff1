"""Documents that others publish at a URL: cached, refetched when they are old or not enough, kept for a while when their host is away.

A fetch is one flight a URL, and at most one in `retry` seconds for the same reason, however many ask; who misses something waits for its
outcome, who has what is merely old does not. A worker waits for few fetches at once, so that slow hosts cannot take every thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import BoundedSemaphore, Lock
from typing import Generic, TypeVar

import structlog

from idp.clock import Clock
from idp.errors import Unavailable
from vetted_http import FetchError, Response

T = TypeVar("T")
Fetch = Callable[[str], Response]
log = structlog.get_logger("idp.fetched")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a document counts as fresh, may stand in after that while its host is away, and between two fetches.

    `kept`: how many are remembered; `waiting`: threads of a worker that may wait for fetches at once.
    """

    fresh: int
    stale: int
    retry: int
    kept: int
    waiting: int


class Fetched(Generic[T]):
    """The documents behind any number of URLs. `read` makes of a response what is kept, and raises `ValueError` for what is none."""

    def __init__(self, fetch: Fetch, read: Callable[[Response], T], clock: Clock, limits: Limits) -> None:
        self._fetch = fetch
        self._read = read
        self._clock = clock
        self._limits = limits
        self._lock = Lock()
        self._slots = BoundedSemaphore(limits.waiting)
        self._found: OrderedDict[str, _Place[T]] = OrderedDict()

    def current(self, url: str) -> T | None:
        """The document as last seen, fetched when it is old; None when there is none to be had."""
        return self._place(url).current()

    def renewed(self, url: str) -> T | None:
        """The document after it lacked something: fetched again, unless that was done a moment ago."""
        return self._place(url).renewed()

    def seen(self, url: str) -> T | None:
        """The document as last seen, without any fetch."""
        return self._place(url).usable()

    def _place(self, url: str) -> _Place[T]:
        with self._lock:
            place = self._found.get(url)
            if place is None:
                place = self._found[url] = _Place(url, self._fetch, self._read, self._clock, self._limits, self._slots)
            self._found.move_to_end(url)
            if len(self._found) > self._limits.kept:
                self._found.popitem(last=False)
        return place


@dataclass(frozen=True, slots=True)
class _Good(Generic[T]):
    document: T
    fetched_at: float


class _Why(Enum):
    """Why a document is fetched; each reason has a throttle of its own, so that what is new is found right after a first fetch."""

    OLD = "old"
    MISSED = "missed"


class _Place(Generic[T]):
    """One URL. `_good` is the last document that could be read; times are epoch seconds."""

    def __init__(
        self,
        url: str,
        fetch: Fetch,
        read: Callable[[Response], T],
        clock: Clock,
        limits: Limits,
        slots: BoundedSemaphore,
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._read = read
        self._clock = clock
        self._limits = limits
        self._slots = slots
        self._flight = Lock()
        self._good: _Good[T] | None = None
        self._tried_at = dict.fromkeys(_Why, 0.0)

    def current(self) -> T | None:
        good = self._good
        if good is None or self._clock.precise() - good.fetched_at >= self._limits.fresh:
            self._renew(_Why.OLD, wait=good is None)
        return self.usable()

    def renewed(self) -> T | None:
        self._renew(_Why.MISSED, wait=True)
        return self.usable()

    def usable(self) -> T | None:
        good, longest = self._good, self._limits.fresh + self._limits.stale
        if good is None or self._clock.precise() - good.fetched_at >= longest:
            return None
        return good.document

    def _renew(self, why: _Why, *, wait: bool) -> None:
        """Fetch, or wait for the fetch that is on; raises `Unavailable` when too many wait already."""
        if not self._is_due(why) and not self._flight.locked():
            return
        if not self._slots.acquire(blocking=False):
            if wait:
                raise Unavailable("too many fetches at once")
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
            self._good = _Good(self._read(self._fetch(self._url)), self._clock.precise())
        except (FetchError, ValueError) as error:
            log.warning("not fetched", url=self._url.partition("?")[0], reason=str(error))
        finally:
            self._tried_at[why] = self._clock.precise()

    def _is_due(self, why: _Why) -> bool:
        return self._clock.precise() - self._tried_at[why] >= self._limits.retry
