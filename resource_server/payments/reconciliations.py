"""The books compared now and then: once a period however many nodes there are, as a job, which is tried again while the provider is away."""

from __future__ import annotations

from typing import Any

import structlog

from resource_server.api.service import Parts, Work
from resource_server.payments.reconciling import Reconciliation
from resource_server.work import inbox
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import Effect, Job, Kind

RECONCILE = "payments.reconcile"
_LOOK_SECONDS = 60.0
log = structlog.get_logger("rs.payments")


class Scheduled:
    """Every node asks for it; the first in a period does."""

    def __init__(self, jobs: Jobs, inbox_table: Any, reconciliation: Reconciliation, parts: Parts) -> None:
        self._jobs = jobs
        self._inbox = inbox_table
        self._reconciliation = reconciliation
        self._every = parts.settings.reconcile_every
        self._quiet = parts.settings.reconcile_quiet
        self._metrics = parts.metrics

    def work(self) -> tuple[Work, ...]:
        every = min(self._every, _LOOK_SECONDS)
        return (Work("reconciliation", self.ask, every=every),) if self._every else ()

    def kinds(self) -> tuple[Kind, ...]:
        return (Kind(RECONCILE, self.run),)

    def ask(self) -> None:
        """Have it done, unless somebody asked for it in this period."""
        now = self._jobs.now()
        with self._jobs.store.change() as tx:
            if inbox.take(tx, self._inbox, RECONCILE, str(int(now // self._every)), now):
                self._jobs.enqueue(tx, RECONCILE, {})

    def run(self, _job: Job) -> Effect | None:
        """Compare, begin what can be put right, and tell how much differs; no sums and nobody's name."""
        report = self._reconciliation.run(quiet=self._quiet, repair=True)
        self._metrics.measure("reconciliation_differences", len(report.differences))
        for one in report.differences:
            log.warning("the books differ", kind=one.kind, payment=one.payment, charge=one.charge, repair=one.repair)
        return None
