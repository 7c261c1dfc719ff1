"""What may be used once: a store shared by all that judge, asked after every other check, and refusing when it cannot tell."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from token_guard.forking import survive_forks

_MAX_KEPT = 500_000


class StoreError(Exception):
    """The store cannot tell whether something was used: the request is refused with 503, never let through."""


class OnceStore(Protocol):
    """Remembers keys until a time (epoch seconds). One call decides: of any number at once, on any number of nodes, one is the first."""

    def use(self, key: str, until: float) -> bool:
        """Whether this is the first use; raises `StoreError` when that cannot be known."""


class MemoryOnce:
    """For one process. It never forgets early: when it is full, it refuses."""

    def __init__(self, *, max_kept: int = _MAX_KEPT, now: Callable[[], float] = time.time) -> None:
        self._max_kept = max_kept
        self._now = now
        self._kept: set[str] = set()
        self._ends: list[tuple[float, str]] = []
        self._lock = Lock()
        survive_forks(self)

    def use(self, key: str, until: float) -> bool:
        with self._lock:
            self._forget(self._now())
            if key in self._kept:
                return False
            if len(self._kept) >= self._max_kept:
                raise StoreError("too much is in use at once")
            self._kept.add(key)
            heapq.heappush(self._ends, (until, key))
            return True

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] < now:
            self._kept.discard(heapq.heappop(self._ends)[1])

    def after_fork(self) -> None:
        """A child has a lock of its own."""
        self._lock = Lock()
