"""What those who look after payments see and do: how much waits, whether the books balance, and dead letters, which they replay."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Response, jsonify
from pydantic import BaseModel
from token_guard import Needs

from resource_server.api import bodies, times
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.api.problems import not_found
from resource_server.payments import ledger, matrix
from resource_server.payments.documents import Nothing
from resource_server.payments.models import OperationRow
from resource_server.platform.metrics import Metrics
from resource_server.platform.store import Row, Store
from resource_server.work import operations
from resource_server.work.jobs import Jobs

OPERATE = Needs(scopes=("payments:operate",))
LATE_SECONDS = 300.0
"""An operation that runs for longer is stuck: somebody should look."""


class Queue(BaseModel):
    """Jobs that wait or run, how long the oldest has been due, and those given up."""

    waiting: int
    oldest_seconds: float
    dead: int


class Running(BaseModel):
    """Operations that are not over, and those of them that should be."""

    running: int
    awaiting_approval: int
    stuck: int


class Balance(BaseModel):
    """What an account of the ledger holds, in minor units."""

    account: str
    currency: str
    value: int


class Ledger(BaseModel):
    """`balanced` says that all rows of each currency sum to zero."""

    balanced: bool
    accounts: list[Balance]


class DeadLetter(BaseModel):
    """A job that was given up; what it carries stays inside."""

    id: str
    kind: str
    attempts: int
    error: str | None
    created_at: str


class Condition(BaseModel):
    """How the service is, all of it as of one moment; of the dead letters the oldest, at most a hundred."""

    queue: Queue
    operations: Running
    ledger: Ledger
    dead_letters: list[DeadLetter]


class DeadLetters(BaseModel):
    """The oldest, at most a hundred."""

    items: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at one service's work and books."""

    store: Store
    jobs: Jobs
    now: Callable[[], float] = time.time

    def condition(self) -> Condition:
        """Everything at once, as of one moment: figures and lists that are shown together agree."""
        with self.store.snapshot() as tx:
            held = ledger.held(self.store, tx)
            accounts = [Balance(account=name, currency=of, value=value) for (name, of), value in sorted(held.items())]
            return Condition(
                queue=self.queue(tx),
                operations=self.operations(tx),
                ledger=Ledger(balanced=not ledger.imbalance(held), accounts=accounts),
                dead_letters=self.letters(tx),
            )

    def queue(self, within: sa.Connection | None = None) -> Queue:
        depth = self.jobs.depth(within)
        return Queue(waiting=depth.waiting, oldest_seconds=round(depth.oldest, 3), dead=depth.dead)

    def operations(self, within: sa.Connection | None = None) -> Running:
        running = OperationRow.state == operations.RUNNING
        waiting = OperationRow.state == operations.AWAITING_APPROVAL
        late = OperationRow.created_at < self.now() - LATE_SECONDS
        figures = sa.select(_count(running), _count(waiting), _count(running, late))
        with self.store.read(within) as tx:
            counted = tx.execute(figures).one()
        return Running(running=counted[0], awaiting_approval=counted[1], stuck=counted[2])

    def letters(self, within: sa.Connection | None = None) -> list[DeadLetter]:
        return [_letter(row) for row in self.jobs.listed("dead", within=within)]

    def measure(self, metrics: Metrics, service: str) -> None:
        """What is cheap to look at, for `/metrics`."""
        queue, running = self.queue(), self.operations()
        metrics.measure("jobs_waiting", queue.waiting, service=service)
        metrics.measure("jobs_dead", queue.dead, service=service)
        metrics.measure("jobs_oldest_seconds", queue.oldest_seconds, service=service)
        metrics.measure("operations_running", running.running, service=service)
        metrics.measure("operations_stuck", running.stuck, service=service)


class Operating:
    """For finance and admins."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._jobs = watch.jobs

    def mounted(self) -> list[Operation]:
        letters, replays = "/v2/dead-letters", "/v2/dead-letters/<job_id>/replays"
        condition = Doc(summary="Show how payments are doing", answers={200: Condition})
        listed = Doc(summary="List dead letters", answers={200: DeadLetters})
        replayed = Doc(summary="Replay a dead letter", answers={202: DeadLetter}, body=Nothing)
        return [
            Operation("GET", "/v2/condition", OPERATE, self.condition, matrix.OPERATE, doc=condition),
            Operation("GET", letters, OPERATE, self.letters, matrix.OPERATE, doc=listed),
            Operation("POST", replays, OPERATE, self.replay, matrix.OPERATE, doc=replayed),
        ]

    def condition(self, access: Access) -> Response:
        return jsonify(self._watch.condition().model_dump())

    def letters(self, access: Access) -> Response:
        return jsonify(DeadLetters(items=self._watch.letters()).model_dump())

    def replay(self, access: Access, job_id: str) -> Response:
        """Give a dead letter its tries anew; of two who ask for it at once, one finds none."""
        bodies.read(Nothing)
        letter = self._jobs.find(job_id[:40])
        if letter is None or not self._jobs.replay(letter.id):
            raise not_found()
        response = jsonify(_letter(letter).model_dump())
        response.status_code = 202
        return response


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        kind=row.kind,
        attempts=row.attempts,
        error=row.last_error,
        created_at=times.shown(int(row.created_at)),
    )


def _count(*which: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(OperationRow).where(*which).scalar_subquery()
