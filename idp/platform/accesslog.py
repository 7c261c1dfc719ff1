"""The access log: one JSON line a request, many lines a write while there are many."""

from __future__ import annotations

import time
from collections import deque
from threading import Event
from typing import TextIO

FLUSH_SECONDS = 0.05


class AccessLog:
    """Writes lines to a stream: at once while requests are few, together every 50 ms while they are many.

    Every write lets go of the interpreter; one a request made each wait for all others that were running. Whoever builds it runs
    `flush_later` over and over, and calls `flush` at the end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._some = Event()
        self._written = 0.0

    def add(self, line: str, now: float) -> None:
        """Take one line, its newline included; `now` is any steadily growing time in seconds."""
        self._waiting.append(line)
        if now - self._written >= FLUSH_SECONDS:
            self._written = now
            self.flush()
        elif not self._some.is_set():
            self._some.set()

    def flush_later(self) -> None:
        """Write what waits, `FLUSH_SECONDS` after the first of it came; until then nothing is done."""
        self._some.wait()
        time.sleep(FLUSH_SECONDS)
        self._some.clear()
        self.flush()

    def flush(self) -> None:
        """Write what waits; safe from any thread, and no line is written twice."""
        lines = []
        while self._waiting:
            try:
                lines.append(self._waiting.popleft())
            except IndexError:  # another thread was faster
                break
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()
