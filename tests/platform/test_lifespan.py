"""A server process ends as soon as a signal asks it to, whatever its threads do and whatever its main thread holds at that moment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

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

stopped, busy = threading.Event(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
hear_signals()
threading.Thread(target=busy.wait, daemon=True).start()  # another one that a signal could be given to
threading.Timer(0.2, print, [os.getpid()], {"flush": True}).start()  # when the main thread waits
stopped.wait()
"""
HOLD = """
import os, signal, threading
from lifespan import hear_signals

lock, counted = threading.Lock(), []

def count(*_):
    with lock:
        counted.append(1)

signal.signal(signal.SIGTERM, count)
hear_signals()
print(os.getpid(), flush=True)
while len(counted) < 100:
    with lock:
        pass
"""
ASKED = """
import os, signal
from lifespan import Asked

stopped, counted = Asked(), []

def stop(*_):
    counted.append(1)
    stopped.set()

signal.signal(signal.SIGTERM, stop)
print(os.getpid(), flush=True)
while len(counted) < 100:
    stopped.wait(0)
    stopped.clear()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
stopped.set()
raise SystemExit(not stopped.wait(60))
"""
LOADING = """
import os, time
from lifespan import hear_signals

hear_signals()
print(os.getpid(), flush=True)
time.sleep(60)
"""
EARLY = """
import threading
from lifespan import hear_signals

threading.Thread(target=threading.Event().wait, daemon=True).start()
hear_signals()
"""


@pytest.mark.parametrize("program", [WAIT, FORK + WAIT], ids=["a process", "a forked worker"])
def test_a_signal_that_another_thread_was_given_ends_the_process(program: str) -> None:
    assert _status(program, signals=1) == 0


@pytest.mark.parametrize(
    "program", [HOLD, FORK + HOLD, ASKED], ids=["a process", "a forked worker", "in the main thread"]
)
def test_signals_do_not_wait_for_what_the_main_thread_holds(program: str) -> None:
    assert _status(program, signals=None) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_handles_no_signal_yet_ends_as_any_other(number: signal.Signals) -> None:
    assert _status(LOADING, signals=1, number=number) == -number


def test_signals_are_heard_before_other_threads_start() -> None:
    run = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 1
    assert "hear them before it starts" in run.stderr


def _status(program: str, *, signals: int | None, number: signal.Signals = signal.SIGTERM) -> int:
    """The exit status of a program that prints an id of a process, which is sent that many signals, or as many as it takes."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            asked, deadline = int(process.stdout.readline()), time.monotonic() + 60
            while signals != 0 and process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(asked, number)
                signals = signals and signals - 1
            return process.wait(max(1, deadline - time.monotonic()))
        finally:
            process.kill()
