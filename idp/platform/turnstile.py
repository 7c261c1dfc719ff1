"""One thread at work: a worker with many threads is as fast as one with a single thread, as long as nobody waits.

Threads of one interpreter take turns at its lock, and the more of them want it, the longer every turn takes. A server needs many, though: some
wait for the database, for a sender who is slow, for another server. So whoever has answered sleeps while somebody else is at work, and is woken
when that one says that it waits, or when nothing was finished for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread, get_native_id, local
from time import monotonic, sleep
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from idp.platform import priority

_MOMENT = 0.002
"""Seconds without a finished request, after which those at work count as waiting."""
_CALM = 25
"""Moments that were not such, after which one thread fewer may be at work at once."""
_BUSY = 10
"""Moments for which one who has a processor, or waits for one, does not count as waiting: another thread would only contend for it."""
IDLE_SECONDS = 30
"""After so many without a request the server may end a thread."""
_LOOKING = IDLE_SECONDS - 5
"""Seconds for which a thread surely looks for the next request."""
_LONGEST_SLEEP = 30.0
"""Seconds; those whom a peak called are to end, too."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Serving(local):
    """What a thread knows of itself: its id, whether it serves a request, and whether it waited in it.

    The server starts it from the thread that moves bytes, which interrupts nobody; this one does, as any other.
    """

    now = waited = False

    def __init__(self) -> None:
        self.thread = get_native_id()
        priority.interrupt()


class Turnstile:
    """The threads that serve: at work, asleep, or looking for the next request.

    As a context, the time in which the thread that enters waits for something outside of the interpreter. It may be entered by any number of
    threads, also by those that serve nothing, and within itself.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._at_work: set[int] = set()
        self._looking: dict[int, float] = {}
        self._asleep: list[Any] = []
        self._at_once = 1
        self._finished = 0
        self._someone_sleeps = Event()
        self._serving = _Serving()

    def start(self) -> None:
        """Watch over those who sleep, in a thread of its own."""
        Thread(target=self._watch, name="turnstile", daemon=True).start()

    def around(self, serve: Callable[_P, _T]) -> Callable[_P, _T]:
        """The same function, that returns only when its thread is of use. What it does is over by then: its answer must have been sent."""

        def served(*arguments: _P.args, **named: _P.kwargs) -> _T:
            serving = self._serving
            serving.now, serving.waited = True, False
            with self._lock:
                self._looking.pop(serving.thread, None)
                self._at_work.add(serving.thread)
            try:
                return serve(*arguments, **named)
            finally:
                serving.now = False
                self._leave(serving.thread, serving.waited)

        return served

    def __enter__(self) -> None:
        serving = self._serving
        if not serving.now:
            return
        serving.waited = True
        with self._lock:
            self._at_work.discard(serving.thread)
            if self._asleep and len(self._at_work) < self._at_once and not self._is_one_looking():
                self._wake()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._serving.now:
            with self._lock:
                self._at_work.add(self._serving.thread)

    def _leave(self, thread: int, waited: bool) -> None:
        """Sleep if somebody is at work. Not after a wait: where requests wait, many threads are of use, and waking them costs more than they do."""
        with self._lock:
            self._at_work.discard(thread)
            self._finished += 1
            if waited or len(self._at_work) < self._at_once:
                self._looking[thread] = monotonic()
                return
            bed = Lock()
            bed.acquire()
            self._asleep.append(bed)
            self._someone_sleeps.set()
        awoken = bed.acquire(timeout=_LONGEST_SLEEP)
        with self._lock:
            if not awoken and bed in self._asleep:
                self._asleep.remove(bed)
            self._looking[thread] = monotonic()

    def _is_one_looking(self) -> bool:
        """Whether the next request finds a thread without our help."""
        if self._looking and monotonic() - next(reversed(self._looking.values())) < _LOOKING:
            return True
        self._looking.clear()
        return False

    def _wake(self) -> None:
        self._asleep.pop().release()

    def _watch(self) -> None:
        calm = busy = 0
        while self._someone_sleeps.wait():
            before = self._finished
            sleep(_MOMENT)
            busy = busy + 1 if self._finished == before and any(map(_runs, tuple(self._at_work))) else 0
            with self._lock:
                if busy % _BUSY == 0 and self._is_stuck(before):
                    calm = 0
                    self._at_work.clear()
                    self._at_once += 1
                    self._wake()
                    continue
                calm += 1
                if calm % _CALM == 0:
                    self._at_once = max(1, self._at_once - 1)
                if not self._asleep and self._at_once == 1:
                    self._someone_sleeps.clear()

    def _is_stuck(self, before: int) -> bool:
        return bool(self._at_work and self._asleep) and self._finished == before and not self._is_one_looking()


def _runs(thread: int) -> bool:
    """Whether this thread of ours has a processor, or waits for one (`proc_pid_stat(5)`). Linux alone tells.

    Who waits for the interpreter's lock seems to, mostly: to read this gives it away, though perhaps to another.
    """
    try:
        return Path(f"/proc/self/task/{thread}/stat").read_bytes().rpartition(b") ")[2].startswith(b"R")
    except OSError:
        return False
