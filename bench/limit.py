"""Processes held to a share of a core without any privilege: stopped when they have used more than their share, continued when it is due.

Control groups and their like are not everybody's to make; SIGSTOP and SIGCONT to one's own processes are.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from bench import processes

_LOOK = 0.005
_BURST = 0.02


class Limited:
    """Holds the group of processes that `leader` leads to `share` of a core, while the context is open."""

    def __init__(self, leader: int, share: float) -> None:
        self._leader = leader
        self._share = share
        self._pids = processes.tree(leader)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._send(signal.SIGCONT)

    def _hold(self) -> None:
        used, due, last = processes.cpu_seconds_of(self._pids), 0.0, time.monotonic()
        running = True
        while not self._over.wait(_LOOK):
            now, spent = time.monotonic(), processes.cpu_seconds_of(self._pids)
            due = min(due + self._share * (now - last) - (spent - used), _BURST)  # what was not used is not saved up
            used, last = spent, now
            if running != (due > 0):
                running = due > 0
                self._send(signal.SIGCONT if running else signal.SIGSTOP)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._leader, number)
