"""The job rows: enqueued within a transaction, claimed by conditional update with a lease, finished once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from resource_server.platform import traces
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row, Store
from resource_server.work import inbox
from resource_server.work.kinds import Job
from resource_server.work.tables import InboxColumns, JobColumns

OPEN = ("waiting", "running")
KEEP_DONE_SECONDS = 86400.0
_NOW: sa.BindParameter[float] = sa.bindparam("now")
_KINDS: sa.BindParameter[list[str]] = sa.bindparam("kinds", expanding=True)
_LIMIT: sa.BindParameter[int] = sa.bindparam("limit")


class LeaseLost(Exception):
    """Another worker has the job, or it is done: whatever this one found counts for nothing."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits: jobs not done, those given up, and the age in seconds of the oldest that is due."""

    waiting: int
    dead: int
    oldest: float


class Jobs:
    """The jobs of one service. `wake` is called after an enqueue that committed in this process, so that a worker in it need not poll."""

    def __init__(
        self,
        store: Store,
        table: type[JobColumns],
        inbox_table: type[InboxColumns],
        *,
        lease: float = 30.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.lease = lease
        self.now = now
        self._table = table
        self._inbox = inbox_table
        # Looked for ten times a second by a worker that has nothing to do: put together once, that costs a thirteenth.
        self._ready = _ready(table)
        self._due = sa.select(table.id).where(*self._ready, table.kind.in_(_KINDS)).order_by(table.due_at).limit(_LIMIT)
        self._unannounced = self._due.where(table.announced_until <= _NOW)

    def enqueue(
        self,
        tx: sa.Connection,
        kind: str,
        payload: Mapping[str, Any],
        *,
        after: float = 0.0,
        order: tuple[str, int] | None = None,
    ) -> str:
        """Add a job in the caller's transaction, due in so many seconds; `order` is an aggregate and the number within it. Returns its id."""
        now = self.now()
        aggregate, sequence = order or (None, None)
        values = {
            "id": new_id("msg"),
            "kind": kind,
            "payload": dict(payload),
            "aggregate": aggregate,
            "sequence": sequence,
            "state": "waiting",
            "due_at": now + after,
            "announced_until": 0.0,
            "attempts": 0,
            "created_at": now,
            "traceparent": traces.traceparent(),
        }
        tx.execute(sa.insert(self._table).values(**values))
        return str(values["id"])

    def claim(self, owner: str, kinds: Iterable[str], limit: int) -> list[Job]:
        """Take the leases of up to so many due jobs."""
        now = self.now()
        found = self._found(self._due, now, kinds, limit)
        return self._claimed(owner, found, now) if found else []

    def claim_one(self, owner: str, identifier: str) -> Job | None:
        """Take the lease of the job a broker named; None when it is not due, done, or another worker's."""
        found = self._claimed(owner, [identifier], self.now())
        return found[0] if found else None

    def extend(self, owner: str, identifiers: Sequence[str]) -> None:
        """Heartbeat: hold these for another lease."""
        mine = (self._table.id.in_(identifiers), self._table.state == "running", self._table.lease_owner == owner)
        with self.store.change() as tx:
            tx.execute(sa.update(self._table).where(*mine).values(due_at=self.now() + self.lease))

    def finish(self, tx: sa.Connection, owner: str, job: Job) -> bool:
        """End a job within the transaction of its effect; False when it had its effect before. Raises `LeaseLost`."""
        self._leave(tx, owner, job, {"state": "done", "finished_at": self.now()})
        return inbox.take(tx, self._inbox, job.kind, job.id, self.now())

    def again(self, owner: str, job: Job, *, after: float, error: str | None = None) -> None:
        """Give a job back, due in so many seconds; without an `error` the try is not counted."""
        attempts = job.attempts if error else job.attempts - 1
        values = {"state": "waiting", "due_at": self.now() + after, "attempts": attempts, "last_error": error}
        with self.store.change() as tx:
            self._leave(tx, owner, job, values)

    def bury(self, tx: sa.Connection, owner: str, job: Job, error: str) -> None:
        """Give a job up, until somebody replays it."""
        self._leave(tx, owner, job, {"state": "dead", "finished_at": self.now(), "last_error": error})

    def unannounced(self, kinds: Iterable[str], limit: int) -> list[tuple[str, str]]:
        """Take up to so many due jobs, as (kind, id), that no broker carries or has carried for too long; whoever gets them announces them."""
        now, table = self.now(), self._table
        found = self._found(self._unannounced, now, kinds, limit)
        if not found:
            return []
        taking = (
            sa.update(table)
            .where(table.id.in_(found), *self._ready, table.announced_until <= _NOW)
            .values(announced_until=now + self.lease)
            .returning(table.kind, table.id)
        )
        with self.store.change() as tx:
            return [(row.kind, row.id) for row in tx.execute(taking, {"now": now})]

    def depth(self, within: sa.Connection | None = None) -> Depth:
        """How much waits, all of it counted at one moment."""
        table, now = self._table, self.now()
        count = sa.select(sa.func.count()).select_from(table)
        figures = sa.select(
            count.where(table.state.in_(OPEN)).scalar_subquery(),
            count.where(table.state == "dead").scalar_subquery(),
            sa.select(sa.func.min(table.due_at)).where(table.state == "waiting").scalar_subquery(),
        )
        with self.store.read(within) as tx:
            waiting, dead, oldest = tx.execute(figures).one()
        return Depth(waiting, dead, max(0.0, now - oldest) if oldest is not None else 0.0)

    def listed(self, state: str, limit: int = 100, *, within: sa.Connection | None = None) -> list[Row]:
        """Jobs in a state, oldest first: id, kind, attempts, last error, when it was made; never what they carry."""
        query = self._shown().where(self._table.state == state).order_by(self._table.due_at).limit(limit)
        with self.store.read(within) as tx:
            return list(tx.execute(query).all())

    def find(self, identifier: str) -> Row | None:
        """One job, as `listed` shows it."""
        with self.store.read() as tx:
            found: Row | None = tx.execute(self._shown().where(self._table.id == identifier)).one_or_none()
        return found

    def replay(self, identifier: str | None) -> int:
        """Give buried jobs, one or all, their tries anew; returns how many. One try counts, so that what it may have done is asked for first."""
        table = self._table
        which = [table.state == "dead", *([] if identifier is None else [table.id == identifier])]
        values = {"state": "waiting", "due_at": self.now(), "attempts": 1, "finished_at": None, "announced_until": 0.0}
        with self.store.change() as tx:
            return tx.execute(sa.update(table).where(*which).values(**values)).rowcount

    def prune(self, limit: int = 500) -> int:
        """Forget what was done more than a day ago, and messages nobody repeats any more; returns how many."""
        table, now = self._table, self.now()
        old = (table.state == "done", table.finished_at < now - KEEP_DONE_SECONDS)
        over = sa.select(table.id).where(*old).limit(limit)
        with self.store.change() as tx:
            done = tx.execute(sa.delete(table).where(table.id.in_(over))).rowcount
            return done + inbox.prune(tx, self._inbox, now, limit)

    def _shown(self) -> Any:
        table = self._table
        return sa.select(table.id, table.kind, table.state, table.attempts, table.last_error, table.created_at)

    def _found(self, query: sa.Select[str], now: float, kinds: Iterable[str], limit: int) -> Sequence[str]:
        with self.store.read() as tx:
            return tx.execute(query, {"now": now, "kinds": list(kinds), "limit": limit}).scalars().all()

    def _claimed(self, owner: str, identifiers: Sequence[str], now: float) -> list[Job]:
        """Those of these jobs that are due still."""
        table = self._table
        values = {
            "state": "running",
            "attempts": table.attempts + 1,
            "due_at": now + self.lease,
            "announced_until": 0.0,
            "lease_owner": owner,
        }
        claim = sa.update(table).where(table.id.in_(identifiers), *self._ready).values(**values)
        with self.store.change() as tx:
            rows = tx.execute(
                claim.returning(table.id, table.kind, table.payload, table.attempts, table.traceparent), {"now": now}
            ).all()
        return [Job(*row) for row in rows]

    def _leave(self, tx: sa.Connection, owner: str, job: Job, values: Mapping[str, Any]) -> None:
        """End this run of a job, unless the lease ran out and another worker has it."""
        table = self._table
        mine = (table.id == job.id, table.state == "running", table.lease_owner == owner)
        held = (*mine, table.attempts == job.attempts)
        if tx.execute(sa.update(table).where(*held).values(**values)).rowcount != 1:
            raise LeaseLost(job.id)


def _ready(table: type[JobColumns]) -> tuple[sa.ColumnElement[bool], ...]:
    """Due, and nothing before it in its aggregate is unfinished: a gap waits, and so does what follows a dead letter."""
    before = sa.orm.aliased(table)
    earlier = (before.aggregate == table.aggregate, before.sequence < table.sequence, before.state != "done")
    first = sa.or_(table.aggregate.is_(None), ~sa.exists().where(*earlier))
    return table.state.in_(OPEN), table.due_at <= _NOW, first
