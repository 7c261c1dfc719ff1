"""A signal is never lost and never in the way, whatever the threads of a process do when it comes.

Python runs handlers in the main thread, between any two steps of it. A main thread that waits for a lock takes no step, so SIGTERM would
do nothing; and one that holds the very lock its handler takes, as `threading.Event` does for an instant, would wait for itself for ever.
Here a thread that does nothing else waits for signals and calls their handlers.
"""

from __future__ import annotations

import signal
import threading

_HEARD = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def hear_signals() -> None:
    """Let handlers, also those set later, run in a thread of their own. For a main thread that has started no other; again after a fork.

    Programs started from here inherit that these signals are blocked.
    """
    if threading.active_count() > 1:
        raise RuntimeError("another thread could be given a signal: hear them before it starts")
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # it raises in the main thread, which may be waiting
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_hear, name="signals", daemon=True).start()


def _hear() -> None:
    while True:
        number = signal.sigwait(_HEARD)
        handler = signal.getsignal(number)
        if callable(handler):
            handler(number, None)
        else:
            _leave_to_system(number)


def _leave_to_system(number: int) -> None:
    """What has no handler yet: the signal ends the process, as it ends any other."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.raise_signal(number)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
