"""What those who look after payments see and do: how much waits, whether the books balance, and dead letters, which they replay."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


class Condition(BaseModel):
    """How the service is."""

    queue: Queue
    operations: Running
    ledger: Ledger


class DeadLetter(BaseModel):
    """A job that was given up; what it carries stays inside."""

    id: str
    kind: str
    attempts: int
    error: str | None
    created_at: str


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
        """Everything at once."""
        held = ledger.held(self.store)
        accounts = [Balance(account=name, currency=of, value=value) for (name, of), value in sorted(held.items())]
        books = Ledger(balanced=not ledger.imbalance(held), accounts=accounts)
        return Condition(queue=self.queue(), operations=self.operations(), ledger=books)

    def queue(self) -> Queue:
        depth = self.jobs.depth()
        return Queue(waiting=depth.waiting, oldest_seconds=round(depth.oldest, 3), dead=depth.dead)

    def operations(self) -> Running:
        running = OperationRow.state == operations.RUNNING
        waiting = OperationRow.state == operations.AWAITING_APPROVAL
        late = OperationRow.created_at < self.now() - LATE_SECONDS
        with self.store.read() as tx:
            counted = [_count(tx, running), _count(tx, waiting), _count(tx, running, late)]
        return Running(running=counted[0], awaiting_approval=counted[1], stuck=counted[2])

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
        return jsonify({"items": [_letter(row) for row in self._jobs.listed("dead")]})

    def replay(self, access: Access, job_id: str) -> Response:
        """Give a dead letter its tries anew; of two who ask for it at once, one finds none."""
        bodies.read(Nothing)
        letter = self._jobs.find(job_id[:40])
        if letter is None or not self._jobs.replay(letter.id):
            raise not_found()
        response = jsonify(_letter(letter))
        response.status_code = 202
        return response


def _letter(row: Row) -> dict[str, Any]:
    shown = DeadLetter(
        id=row.id,
        kind=row.kind,
        attempts=row.attempts,
        error=row.last_error,
        created_at=times.shown(int(row.created_at)),
    )
    return shown.model_dump()


def _count(tx: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    counted: int = tx.execute(sa.select(sa.func.count()).select_from(OperationRow).where(*which)).scalar_one()
    return counted
