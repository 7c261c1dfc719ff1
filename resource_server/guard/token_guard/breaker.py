"""A circuit breaker: an endpoint that fails again and again is left alone for a while, then one request tries it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from token_guard.forking import survive_forks


class Breaker:
    """Opens after `failures` in a row, for `seconds`."""

    def __init__(self, *, failures: int, seconds: float, now: Callable[[], float]) -> None:
        self._most = failures
        self._seconds = seconds
        self._now = now
        self._failures = 0
        self._closed_at = 0.0
        self._lock = Lock()
        survive_forks(self)

    def wait(self) -> float:
        """Seconds until somebody may try, 0 for who may try now; while it is open, one at a time may."""
        with self._lock:
            now = self._now()
            if self._failures < self._most:
                return 0
            if now < self._closed_at:
                return self._closed_at - now
            self._closed_at = now + self._seconds
            return 0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._closed_at = self._now() + self._seconds

    def abandoned(self) -> None:
        """Who tried did not wait for the end: that says nothing, and the next may try."""
        with self._lock:
            self._closed_at = min(self._closed_at, self._now())

    def after_fork(self) -> None:
        """A child has a lock of its own."""
        self._lock = Lock()
