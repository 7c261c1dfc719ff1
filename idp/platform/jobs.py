"""Work that is done once, whatever the number of nodes: rows claimed with a lease, retried with growing delay, buried after so many tries.

A job commits with the change that asks for it. A node that dies leaves a lease that runs out, and another node takes over, so a handler
must bear being run again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import sqlalchemy as sa
import structlog

from idp.clock import Clock
from idp.errors import Unavailable
from idp.platform import traces
from idp.platform.db import AnyRow, Database, insert_or_ignore
from idp.platform.ids import new_id
from idp.platform.models import JobRow

LEASE_SECONDS = 60
MAX_ATTEMPTS = 8
_KEEP_DONE = 86400
_POLL_SECONDS = 0.5
_DUE = (
    JobRow.state.in_(("waiting", "running")),
    JobRow.run_at <= sa.bindparam("now"),
    JobRow.kind.in_(sa.bindparam("kinds", expanding=True)),
)
_OLDEST = sa.select(JobRow.id, JobRow.attempts).where(*_DUE).order_by(JobRow.run_at).limit(5)
_CLAIM = (
    sa.update(JobRow)
    .where(JobRow.id == sa.bindparam("job"), JobRow.attempts == sa.bindparam("tried"), *_DUE)
    .values(
        state="running", attempts=JobRow.attempts + 1, run_at=sa.bindparam("until"), lease_owner=sa.bindparam("owner")
    )
    .returning(JobRow.id, JobRow.kind, JobRow.payload, JobRow.attempts, JobRow.traceparent)
)
Handler = Callable[[Mapping[str, Any]], None]
Buried = Callable[[sa.Connection, Mapping[str, Any]], None]
"""Told of a job that is given up, in the transaction that buries it."""
log = structlog.get_logger("idp.jobs")


@dataclass(frozen=True, slots=True)
class _Kind:
    handler: Handler
    attempts: int
    buried: Buried | None


class Jobs:
    """Enqueues, and runs what is due with the registered handlers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._me = new_id(clock.precise())
        self._kinds: dict[str, _Kind] = {}
        self._recurring: dict[str, int] = {}
        self._made: frozenset[str] = frozenset()

    def register(
        self,
        kind: str,
        handler: Handler,
        *,
        every: int | None = None,
        attempts: int = MAX_ATTEMPTS,
        buried: Buried | None = None,
    ) -> None:
        """Say who does jobs of a kind; `every` so many seconds one is made, once for all nodes."""
        self._kinds[kind] = _Kind(handler, attempts, buried)
        if every is not None:
            self._recurring[kind] = every

    def enqueue(
        self,
        tx: sa.Connection,
        kind: str,
        payload: Mapping[str, Any],
        *,
        run_at: float | None = None,
        unique_key: str | None = None,
    ) -> bool:
        """Add a job in the caller's transaction; False when one with this unique key is there already."""
        values = {
            "id": new_id(self._clock.precise()),
            "kind": kind,
            "payload": dict(payload),
            "unique_key": unique_key,
            "state": "waiting",
            "run_at": self._clock.precise() if run_at is None else run_at,
            "attempts": 0,
            "traceparent": traces.traceparent(),
        }
        return insert_or_ignore(tx, JobRow, values)

    def run_due(self, limit: int = 20) -> int:
        """Make recurring jobs that are due, then run what is due; returns how many jobs ran here."""
        self._make_recurring()
        ran = 0
        while ran < limit and (row := self._claim()) is not None:
            with traces.within(row.traceparent):
                self._run(row)
            ran += 1
        return ran

    def _make_recurring(self) -> None:
        now = self._clock.now()
        keys = {f"{kind}@{now // every}": (kind, (now // every) * every) for kind, every in self._recurring.items()}
        if self._made.issuperset(keys):
            return
        with self._database.read() as tx:
            present = set(tx.execute(sa.select(JobRow.unique_key).where(JobRow.unique_key.in_(list(keys)))).scalars())
        for key in keys.keys() - present:
            with self._database.write() as tx:
                self.enqueue(tx, keys[key][0], {}, run_at=float(keys[key][1]), unique_key=key)
        self._made = frozenset(keys)

    def _claim(self) -> AnyRow | None:
        """Take the lease of one due job: a conditional update, so of several nodes one gets it."""
        now = self._clock.precise()
        due = {"now": now, "kinds": list(self._kinds)}
        with self._database.read() as tx:
            candidates = tx.execute(_OLDEST, due).all()
        for identifier, attempts in candidates:
            claim = {"job": identifier, "tried": attempts, "until": now + LEASE_SECONDS, "owner": self._me, **due}
            with self._database.write() as tx:
                row = tx.execute(_CLAIM, claim).one_or_none()
            if row is not None:
                return row
        return None

    def _run(self, row: AnyRow) -> None:
        kind = self._kinds[row.kind]
        if row.attempts > kind.attempts:  # whoever ran it for the last time died with it
            self._bury(row, kind, "lease expired")
            return
        try:
            kind.handler(row.payload)
        except Exception as error:
            log.warning("job failed", kind=row.kind, job=row.id, attempts=row.attempts, error=type(error).__name__)
            if row.attempts >= kind.attempts:
                self._bury(row, kind, type(error).__name__)
            else:
                self._finish(row, _again(row, error, self._clock.precise()))
        else:
            self._finish(row, {"state": "done", "finished_at": self._clock.now()})
            log.info("job done", kind=row.kind, job=row.id, attempts=row.attempts)

    def _bury(self, row: AnyRow, kind: _Kind, error: str) -> None:
        log.warning("job buried", kind=row.kind, job=row.id)
        self._finish(row, {"state": "dead", "last_error": error, "finished_at": self._clock.now()}, kind.buried)

    def _finish(self, row: AnyRow, values: Mapping[str, Any], buried: Buried | None = None) -> None:
        """Write the outcome, unless the lease ran out and another node has the job."""
        mine = (JobRow.id == row.id, JobRow.lease_owner == self._me, JobRow.attempts == row.attempts)
        with self._database.write() as tx:
            if tx.execute(sa.update(JobRow).where(*mine).values(**values)).rowcount and buried is not None:
                buried(tx, row.payload)


def _again(row: AnyRow, error: Exception, now: float) -> dict[str, Any]:
    delay = min(3600.0, 2.0**row.attempts) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, no secret
    return {"state": "waiting", "run_at": now + delay, "last_error": type(error).__name__}


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget jobs that were done more than a day ago; returns how many."""
    over = sa.select(JobRow.id).where(JobRow.state == "done", JobRow.finished_at < now - _KEEP_DONE).limit(limit)
    return tx.execute(sa.delete(JobRow).where(JobRow.id.in_(over))).rowcount


def dead(tx: sa.Connection, kind: str) -> tuple[int, str | None]:
    """How many jobs of a kind were given up, and what the last one failed of."""
    buried = (JobRow.kind == kind, JobRow.state == "dead")
    last = sa.select(JobRow.last_error).where(*buried).order_by(JobRow.finished_at.desc()).limit(1)
    return tx.execute(sa.select(sa.func.count()).where(*buried)).scalar_one(), tx.execute(last).scalar()


class Loop:
    """A thread that repeats a piece of work until it is stopped; what fails is logged and tried again."""

    def __init__(self, name: str, work: Callable[[], object], *, seconds: float = _POLL_SECONDS) -> None:
        self._work = work
        self._seconds = seconds
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
        self._thread.join(timeout=10)

    def stop(self) -> None:
        """Begin no more work; leaving the context waits for what is under way."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._work()
            except Unavailable as error:
                log.warning("background work waits", thread=self._thread.name, detail=error.detail)
            except Exception:
                log.exception("background work failed", thread=self._thread.name)
