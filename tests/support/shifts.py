"""Who runs what: one process takes what keeps many processes busy, the others take the rest; who is through helps out.

What a room runs on, servers of a kind on a database of a kind, starts once for all its tests that want the same. To start it for each module
took a third of the whole run. The longest come first: at the end one process would wait for the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

LONG = (
    "tests/payments/test_kills.py",
    "tests/orders",
    "tests/cluster",
    "tests/browser",
    "tests/calls",
    "tests/work",
)
"""Rooms, and a module that is one, in the order in which the first process takes them."""
LATER = ("tests/resource_server", "tests/payments", "tests/protection", "tests/users", "tests/races", "tests/settings")
"""Rooms in which the other processes begin."""
_WAY = re.compile(r"\b(?:(?:together|apart)-)?(?:sqlite|postgresql)(?:-(?:db|redis|amqp))?\b")


def unit(nodeid: str) -> str:
    """What runs in one piece: the tests of a room for one way of running the servers, else those of a module."""
    module, _, test = nodeid.partition("::")
    way = _WAY.search(test.partition("[")[2])
    return module if way is None or module in LONG else f"{module.rpartition('/')[0]} {way[0]}"


def place(scope: str, rooms: tuple[str, ...]) -> int:
    """Where a unit stands among these rooms; behind all of them when it is of another."""
    return next((number for number, room in enumerate(rooms) if re.match(rf"{room}\b", scope)), len(rooms))


class Shifts(LoadScopeScheduling):
    """Units of work, handed out in shifts."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        long = sorted((scope for scope in self.workqueue if place(scope, LONG) < len(LONG)), key=_by(LONG))
        others = sorted((scope for scope in self.workqueue if place(scope, LONG) == len(LONG)), key=_by(LATER))
        wanted = [*long, *others] if node is self.nodes[0] else [*others, *long]
        self.workqueue.move_to_end(wanted[0], last=False)
        super()._assign_work_unit(node)


def _by(rooms: tuple[str, ...]) -> Callable[[str], int]:
    return lambda scope: place(scope, rooms)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """In place of what `--dist loadscope` does."""
    return Shifts(config, log) if config.getvalue("dist") == "loadscope" else None
