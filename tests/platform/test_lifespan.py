"""A server process ends as soon as a signal asks it to, whichever of its threads the signal is given to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

FORK = """
import os, sys
from lifespan import hear_signals

hear_signals()
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
WAIT = """
import os, signal, threading
from lifespan import hear_signals

stopped, given = threading.Event(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
threading.Thread(target=given.wait, daemon=True).start()
hear_signals()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # so that another thread is given it, as can happen to any
threading.Timer(0.2, print, [os.getpid()], {"flush": True}).start()  # when the main thread waits
stopped.wait()
"""


@pytest.mark.parametrize("program", [WAIT, FORK + WAIT], ids=["a process", "a forked worker"])
def test_a_signal_that_another_thread_was_given_ends_the_process(program: str) -> None:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            os.kill(int(process.stdout.readline()), signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
