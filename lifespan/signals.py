"""A signal is never lost, whichever thread of a process the kernel gives it to.

Python runs handlers of signals in the main thread, between two steps of it. A main thread that waits for a lock takes no step: it is
woken by a signal to itself, not by one to the process that another thread happened to take, and SIGTERM would do nothing.
"""

from __future__ import annotations

import os
import signal
import threading

_WAKE = signal.SIGURG
"""Says nothing to anybody: without a handler it is ignored."""
_AGAIN_SECONDS = 0.05


def hear_signals() -> None:
    """Let every handler run at once from now on. For the main thread; again in a process that was forked."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    awake = threading.Event()
    signal.signal(_WAKE, lambda *_: awake.set())
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    main = threading.main_thread()
    threading.Thread(target=_wake, args=(main, awake, reading), name="signals", daemon=True).start()


def _wake(main: threading.Thread, awake: threading.Event, reading: int) -> None:
    """Pass every signal on to the main thread, until that has taken a step."""
    while number := os.read(reading, 1):
        if number[0] == _WAKE:
            continue
        awake.clear()
        while main.is_alive() and main.ident is not None:
            signal.pthread_kill(main.ident, _WAKE)
            if awake.wait(_AGAIN_SECONDS):
                break
