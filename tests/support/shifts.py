"""Who runs what: one process takes the modules that keep many processes busy, the others take the rest; who is through helps out.

Left to their size the long ones, which have few tests, would all come at the end, at the same time, and one process would wait for the other.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

LONG = (
    "tests/payments/test_kills.py",
    "tests/orders/",
    "tests/cluster/",
    "tests/browser/",
    "tests/calls/",
    "tests/work/",
)
"""Modules, or folders of them, in the order in which they begin."""


def place(scope: str) -> int:
    """Where a module stands among those that take long; behind all of them when it does not."""
    return next((number for number, prefix in enumerate(LONG) if scope.startswith(prefix)), len(LONG))


class Shifts(LoadScopeScheduling):
    """Modules as units of work, handed out in shifts."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        long = sorted((scope for scope in self.workqueue if place(scope) < len(LONG)), key=place)
        short = [scope for scope in self.workqueue if place(scope) == len(LONG)]
        wanted = [*long, *short] if node is self.nodes[0] else [*short, *long]
        self.workqueue.move_to_end(wanted[0], last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """In place of what `--dist loadscope` does."""
    return Shifts(config, log) if config.getvalue("dist") == "loadscope" else None
