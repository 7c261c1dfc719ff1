"""Processes held to a share of a core without any privilege, as by the kernel's quota: who used their share of a period is stopped until the next.

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
_PERIOD = 0.1
"""Seconds. That of the kernel: to stop and continue costs each process a wake-up of all its threads."""


class Limited:
    """Holds the group of processes that `leader` leads to `share` of a core, while the context is open.

    Its first period begins after this fraction of one, for processes that stand for machines of their own and are not to run all at the same time.
    """

    def __init__(self, leader: int, share: float, *, after: float = 0.0) -> None:
        self._leader = leader
        self._share = share
        self._after = after
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
        used, left, next_period = processes.cpu_seconds_of(self._pids), 0.0, time.monotonic() + self._after * _PERIOD
        running = True
        while not self._over.wait(_LOOK):
            spent = processes.cpu_seconds_of(self._pids)
            left, used = left - (spent - used), spent
            if time.monotonic() >= next_period:
                left, next_period = min(left, 0) + self._share * _PERIOD, next_period + _PERIOD
            if running != (left > 0):
                running = left > 0
                self._send(signal.SIGCONT if running else signal.SIGSTOP)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._leader, number)
