"""One node: a process that is started, asked whether it is ready, drained, killed, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

_READY_TIMEOUT = 60
_STOP_TIMEOUT = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """What a node is: `group` is the upstream of nginx it stands in, if any; it answers on `port` of this machine, at `probe` once it is ready."""

    name: str
    group: str
    port: int
    command: tuple[str, ...]
    environ: Mapping[str, str]
    probe: str = "/readyz"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class NotReady(Exception):
    """A node ended by itself, or never became ready; with the end of its log."""


class Node:
    """A planned node and its process. `wanted` is False while it is stopped on purpose."""

    def __init__(self, plan: Plan, logs: Path) -> None:
        self.plan = plan
        self.log = logs / f"{plan.name}.log"
        self.wanted = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.plan.name} never ran"
        return self._process.pid

    def start(self) -> None:
        """Start the process, in a group of its own; `wait_ready` says when it answers."""
        self.wanted = True
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                self.plan.command, env=self.plan.environ, stdout=output, stderr=output, start_new_session=True
            )

    def ready(self) -> bool:
        """Whether it wants requests right now."""
        try:
            return requests.get(f"{self.plan.url}{self.plan.probe}", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def wait_ready(self) -> None:
        """Raises `NotReady`."""
        deadline = time.monotonic() + _READY_TIMEOUT
        while not self.ready():
            if not self.alive or time.monotonic() > deadline:
                raise NotReady(
                    f"{self.plan.name} does not become ready: {self.log.read_text('utf-8', 'replace')[-2000:]}"
                )
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM: it finishes what it began; returns the exit status. One that does not end is killed, and says -9."""
        self.wanted = False
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            return process.wait()

    def kill(self) -> None:
        """kill -9 of the process and its workers, as when a machine loses its power; a supervisor starts it anew."""
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
