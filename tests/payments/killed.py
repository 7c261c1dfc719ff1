"""Workers and relays that kill themselves with SIGKILL at a step. Each is a process, forked from one that has loaded the program already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from resource_server.app import build, build_worker
from resource_server.platform.logs import configure_logs
from resource_server.settings import load
from resource_server.work.steps import NO_STEPS, Steps
from resource_server.work.worker import run_until

_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload([__name__])
ENDS_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Death:
    """The step at which a process dies, when it gets there for the `nth` time."""

    step: str
    nth: int = 1


class Killing(Steps):
    """Ends the process as a power cut would: nothing is flushed, nothing is told."""

    def __init__(self, death: Death) -> None:
        self._death = death
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def at(self, label: str) -> None:
        with self._lock:
            self._seen[label] += 1
            if label == self._death.step and self._seen[label] == self._death.nth:
                os.kill(os.getpid(), signal.SIGKILL)


def start(environ: Mapping[str, str], log: Path, part: str = "all", death: Death | None = None) -> BaseProcess:
    """A worker with this environment, or its `jobs` or `relay` alone; without a death it is the worker of the program."""
    process = _NURSERY.Process(target=_work, args=(dict(environ), log, part, death), daemon=True)
    process.start()
    return process


def end(process: BaseProcess) -> None:
    """Let it finish what it does."""
    process.terminate()
    process.join(ENDS_WITHIN)
    assert process.exitcode == 0, f"it ended with {process.exitcode}"


def kill(process: BaseProcess) -> None:
    """As a power cut does."""
    process.kill()
    process.join(ENDS_WITHIN)


def _work(environ: dict[str, str], log: Path, part: str, death: Death | None) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environ)
    with log.open("ab") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    settings = load(os.environ)
    configure_logs(settings.log_level)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    process = build(settings, steps=NO_STEPS if death is None else Killing(death))
    run_until(build_worker(process, relay=part != "jobs", jobs=part != "relay"), stopped)
