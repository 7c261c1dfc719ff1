"""Running a claimed job: its handler, then its effect and its end in one transaction; failures wait, or are buried."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from resource_server.platform import traces
from resource_server.platform.ids import new_id
from resource_server.work.jobs import Jobs, LeaseLost
from resource_server.work.kinds import Job, Kind, Later
from resource_server.work.steps import NO_STEPS, Steps

log = structlog.get_logger("rs.work")


class Runner:
    """Runs the jobs of the kinds it knows; `held` are those it is running, by id."""

    def __init__(self, jobs: Jobs, kinds: Iterable[Kind], *, steps: Steps = NO_STEPS) -> None:
        self.jobs = jobs
        self.kinds = {kind.name: kind for kind in kinds}
        self.owner = new_id("wrk")
        self.held: set[str] = set()
        self._steps = steps

    def claim(self, limit: int) -> list[Job]:
        """Take up to so many due jobs, which are held from now on."""
        claimed = self.jobs.claim(self.owner, self.kinds, limit)
        self.held.update(job.id for job in claimed)
        if claimed:
            self._steps.at("job.claimed")
        return claimed

    def take(self, identifier: str) -> bool:
        """Run the job a broker named, if it is there to be run; whether it was."""
        job = self.jobs.claim_one(self.owner, identifier)
        if job is None:
            return False
        self.held.add(job.id)
        self._steps.at("job.claimed")
        self.run(job)
        return True

    def run(self, job: Job) -> None:
        """Run a claimed job, in the trace it was asked for in; never raises for what the job does."""
        with traces.within(traces.Trace.taken_over(job.traceparent)):
            self._run_here(job)

    def _run_here(self, job: Job) -> None:
        try:
            self._run(job, self.kinds[job.kind])
        except LeaseLost:
            log.warning("lease lost", kind=job.kind, job=job.id)
        except Exception as error:  # the database, most likely: the lease runs out, and the job is claimed anew
            log.warning("job left", kind=job.kind, job=job.id, error=type(error).__name__)
        finally:
            self.held.discard(job.id)

    def heartbeat(self) -> None:
        """Hold what runs for another lease."""
        if held := list(self.held):
            self.jobs.extend(self.owner, held)

    def _run(self, job: Job, kind: Kind) -> None:
        try:
            effect = kind.handler(job)
            self._steps.at("effect.before")
            with self.jobs.store.change() as tx:
                first = self.jobs.finish(tx, self.owner, job)
                self._steps.at("effect.taken")
                if first and effect is not None:
                    effect(tx)
                self._steps.at("effect.before_commit")
            self._steps.at("effect.committed")
            log.info("job done", kind=job.kind, job=job.id, attempts=job.attempts)
        except LeaseLost:
            raise
        except Later as later:
            self.jobs.again(self.owner, job, after=later.seconds)
        except Exception as error:
            self._failed(job, kind, error)

    def _failed(self, job: Job, kind: Kind, error: Exception) -> None:
        name = type(error).__name__
        delay = kind.retries.delay(job.attempts)
        if delay is None:
            log.warning("job buried", kind=job.kind, job=job.id, attempts=job.attempts, error=name)
            with self.jobs.store.change() as tx:
                self.jobs.bury(tx, self.owner, job, name)
                if kind.buried is not None:
                    kind.buried(tx, job)
            return
        log.info("job failed", kind=job.kind, job=job.id, attempts=job.attempts, error=name)
        self._steps.at("job.failed")
        self.jobs.again(self.owner, job, after=delay, error=name)
