"""One fetch at a time for all who need its outcome: who waits no longer leaves, and the fetch goes on for the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from threading import TIMEOUT_MAX, Lock, Thread

from token_guard.checks import Check
from token_guard.errors import GuardError, cannot_know
from token_guard.forking import survive_forks

SecondsLeft = Callable[[], float]
"""How long whoever is served here and now still waits: seconds, none or fewer when that is over, infinite for who waits as long as it takes."""


def forever() -> float:
    """Everybody waits as long as it takes."""
    return math.inf


def too_late(away: Check) -> GuardError:
    """Nobody waits for the answer any more: nothing is known then, neither of the token nor against who was asked about it."""
    return cannot_know(away, "the caller waits no longer", retry_after=1)


class Flight:
    """`fetch` keeps what it brings itself, and raises nothing; `away` is the check that refuses who cannot wait for it."""

    def __init__(self, name: str, fetch: Callable[[], None], *, away: Check, seconds_left: SecondsLeft) -> None:
        self._name = name
        self._fetch = fetch
        self._away = away
        self._left = seconds_left
        self._lock = Lock()
        self.landings = 0
        survive_forks(self)

    def outcome(self, landings: int) -> None:
        """Fetch, unless another flight landed since there were so many landings; then its outcome counts. Raises 503 when that takes too long.

        Whoever waits for a limited time has it fetched by a thread that does not: a fetch that is given up was given up by its own limits.
        """
        self._board()
        if self.landings != landings:
            self._lock.release()
        elif self._left() == math.inf:
            self._fly()
        else:
            self._launch()
            self.join()
            if self.landings == landings:
                raise too_late(self._away)

    def ahead(self) -> None:
        """Fetch in the background, unless that is being done."""
        if self._lock.acquire(blocking=False):
            self._launch()

    def join(self) -> None:
        """Wait for whoever fetches right now; raises 503 when that takes too long."""
        with self.alone():
            pass

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody fetches meanwhile; raises 503 when that takes too long."""
        self._board()
        try:
            yield
        finally:
            self._lock.release()

    def after_fork(self) -> None:
        """A child has a lock of its own, since the parent's might be held by a thread that is not here."""
        self._lock = Lock()

    def _board(self) -> None:
        if not self._lock.acquire(timeout=min(max(self._left(), 0), TIMEOUT_MAX)):
            raise too_late(self._away)

    def _launch(self) -> None:
        """In a context of its own, too: nobody's deadline ends it."""
        try:
            Thread(target=Context().run, args=(self._fly,), name=self._name, daemon=True).start()
        except RuntimeError:  # a process that ends starts no threads
            self._lock.release()

    def _fly(self) -> None:
        try:
            self._fetch()
        finally:
            self.landings += 1
            self._lock.release()
