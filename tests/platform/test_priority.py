"""Which thread goes first: hashing takes idle time, who moves bytes interrupts nobody, who serves is as any other."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
import requests

from idp.platform import priority
from idp.platform.turnstile import Turnstile
from tests.e2e.test_killed_servers import workers_of
from tests.support.running import RunningIdp

if sys.platform != "linux":
    pytest.skip("priorities are a thread's own on Linux alone", allow_module_level=True)


def policy() -> int:
    return os.sched_getscheduler(0)


def in_a_thread(*steps: Callable[[], object]) -> object:
    """What the last step says, of a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return [pool.submit(step).result() for step in steps][-1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (priority.take_idle_time, os.SCHED_IDLE),
        (priority.interrupt_nobody, os.SCHED_BATCH),
        (priority.interrupt, os.SCHED_OTHER),
    ],
)
def test_a_thread_changes_itself_alone(change: Callable[[], None], expected: int) -> None:
    ours = policy()
    assert in_a_thread(change, policy) == expected
    assert policy() == ours


def test_who_steps_back_does_so_alone() -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert in_a_thread(priority.step_back, lambda: os.getpriority(os.PRIO_PROCESS, 0)) == max(ours, 10)
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


def test_where_it_is_forbidden_all_are_equal() -> None:
    refused = mock.Mock(side_effect=PermissionError)
    with mock.patch.object(os, "sched_setscheduler", refused), mock.patch.object(os, "setpriority", refused):
        for change in (priority.take_idle_time, priority.interrupt_nobody, priority.interrupt, priority.step_back):
            change()
    assert refused.call_count == 4


def test_who_serves_interrupts_though_started_by_one_that_does_not() -> None:
    seen: list[int] = []
    serve = Turnstile().around(lambda: seen.append(policy()))

    def start() -> None:
        priority.interrupt_nobody()
        for work in (lambda: seen.append(policy()), serve):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    in_a_thread(start)
    assert seen == [os.SCHED_BATCH, os.SCHED_OTHER]


def test_in_a_server_who_moves_bytes_interrupts_nobody(tmp_path: Path) -> None:
    """Python knows nothing of that thread; the first that serves is one of its own, and as any other once it has."""
    idp = RunningIdp(tmp_path)
    with idp.cluster():
        idp.cli("init")
        idp.node(idp.port, workers=1)
        requests.get(f"{idp.url}/oauth/jwks", timeout=10).raise_for_status()
        (worker,) = workers_of(idp.nodes[-1])
        policies = [os.sched_getscheduler(int(task.name)) for task in Path(f"/proc/{worker}/task").iterdir()]
    assert policies.count(os.SCHED_BATCH) >= 2, "the main thread and the one that moves bytes"
    assert os.SCHED_OTHER in policies
