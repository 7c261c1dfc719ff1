"""kill -9 of a server's main process: its workers end too, and its port is free for the next one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.resource_server.apis import serve
from tests.support.ports import free_port, is_free, until_free
from tests.support.running import Process, RunningIdp

WITHIN = 30


def eventually(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def workers_of(process: Process) -> set[int]:
    """The processes that one has started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return {pid for pid, parent in pairs if parent == process.process.pid}


def alive(pids: set[int]) -> set[int]:
    """Those that run; one whose parent has not asked for its status does not."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    states = dict(line.split() for line in listed.splitlines())
    return {pid for pid in pids if states.get(str(pid), "Z")[0] != "Z"}


def killed_and_gone(process: Process, port: int) -> None:
    workers = workers_of(process)
    assert len(workers) >= 2
    assert not is_free(port)
    process.kill()
    until_free(port)
    eventually(lambda: not alive(workers), "workers are left")


def test_the_identity_provider_leaves_no_worker_and_starts_again_at_its_port(tmp_path: Path) -> None:
    idp = RunningIdp(tmp_path)
    with idp.cluster():
        idp.cli("init")
        idp.node(idp.port, workers=3)
        killed_and_gone(idp.nodes[-1], idp.port)
        idp.node(idp.port, workers=2)
        killed_and_gone(idp.nodes[-1], idp.port)


def test_the_services_leave_no_worker(tmp_path: Path) -> None:
    port = free_port()
    process = serve(RunningIdp(tmp_path), tmp_path, f"http://127.0.0.1:{port}", "/livez", RS_WORKERS="3")
    killed_and_gone(process, port)
