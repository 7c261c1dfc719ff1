"""Which of our threads goes first (sched(7)). Linux alone knows this of threads; elsewhere, and where it is forbidden, all are equal."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import get_native_id

_BACK = 10


def take_idle_time() -> None:
    """This thread works while nobody else wants its processor, and leaves it at once."""
    if sys.platform == "linux":
        _schedule(os.SCHED_IDLE)


def step_back() -> None:
    """This thread gets a tenth of what another gets that wants the same processor."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _BACK)


def interrupt_nobody() -> None:
    """This thread, and those it starts, take the processor from nobody who is at work: they wait until it is given up."""
    if sys.platform == "linux":
        _schedule(os.SCHED_BATCH)


def interrupt() -> None:
    """This thread is as any other again, whoever started it."""
    if sys.platform == "linux":
        _schedule(os.SCHED_OTHER)


def _schedule(policy: int) -> None:
    with suppress(OSError):
        os.sched_setscheduler(0, policy, os.sched_param(0))
