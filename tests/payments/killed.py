"""A worker or relay that kills itself with SIGKILL at a step; only tests start it.

KILL_AT names the step and KILL_NTH which time it is reached; without them it is the worker of the program.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter

from resource_server.app import build, build_worker
from resource_server.platform.logs import configure_logs
from resource_server.settings import load
from resource_server.work.steps import NO_STEPS, Steps
from resource_server.work.worker import run_until


class Killing(Steps):
    """Ends the process as a power cut would: nothing is flushed, nothing is told."""

    def __init__(self, label: str, nth: int) -> None:
        self._label = label
        self._nth = nth
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def at(self, label: str) -> None:
        with self._lock:
            self._seen[label] += 1
            if label == self._label and self._seen[label] == self._nth:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """`jobs`, `relay` or `all`."""
    label = os.environ.get("KILL_AT")
    steps = Killing(label, int(os.environ.get("KILL_NTH", "1"))) if label else NO_STEPS
    settings = load(os.environ)
    configure_logs(settings.log_level)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    part = sys.argv[1]
    process = build(settings, steps=steps)
    run_until(build_worker(process, relay=part != "jobs", jobs=part != "relay"), stopped)


if __name__ == "__main__":
    main()
