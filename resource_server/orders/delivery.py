"""Sending a paid order out: to whom is asked of users, by the service itself, and kept with the step that says it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from resource_server.api.problems import Problem
from resource_server.edges.faces import OrderStep, Recipient, Unreachable
from resource_server.edges.joined import Edges
from resource_server.orders import book
from resource_server.orders.book import Book
from resource_server.orders.desk import CALLED_OFF
from resource_server.orders.machine import Status
from resource_server.orders.models import FulfilmentRow
from resource_server.orders.saga import Timing
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row, Store
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import Effect, Job, Kind, Later, jittered
from resource_server.work.operations import Operations
from resource_server.work.steps import Steps

FULFIL, TELL = "order.fulfil", "payments.order_changed"
_NOT_FULFILLED = Problem(409, "not_fulfilled", "The order could not be sent out.")


class State(StrEnum):
    """How far a fulfilment is."""

    RUNNING = "running"
    DONE = "done"
    CANCELED = "canceled"


class Delivery:
    """Takes what was allowed, and does it later. `begin` works within the caller's transaction and raises `Problem`."""

    def __init__(
        self,
        store: Store,
        records: Book,
        jobs: Jobs,
        operations: Operations,
        edges: Edges,
        *,
        timing: Timing,
        steps: Steps,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._book = records
        self._jobs = jobs
        self._operations = operations
        self._edges = edges
        self._timing = timing
        self._steps = steps
        self._now = now

    def kinds(self) -> tuple[Kind, ...]:
        retries = self._timing.retries
        return (Kind(FULFIL, self.fulfil, retries, buried=self._given_up), Kind(TELL, self.tell, retries))

    def begin(self, tx: sa.Connection, order: Row, *, tracking: str | None, actor: str, client_id: str) -> str:
        """Have a paid order sent out, once. Returns the operation's id."""
        if order.status != Status.PAID:
            raise Problem(409, "illegal_step", f"An order that is {order.status} cannot be fulfilled.")
        operation = self._operations.new_id()
        values = {
            "order_id": order.id,
            "id": new_id("ful"),
            "operation_id": operation,
            "tracking": tracking,
            "state": State.RUNNING.value,
            "actor": actor,
            "created_at": int(self._now()),
        }
        try:
            tx.execute(sa.insert(FulfilmentRow).values(**values))
        except IntegrityError as error:  # an order is sent out once
            raise Problem(409, "illegal_step", "The order is being fulfilled.") from error
        resource = f"/v2/orders/{order.id}"
        self._operations.begin(tx, operation, kind=FULFIL, resource=resource, owner=actor, client_id=client_id)
        self._jobs.enqueue(tx, FULFIL, {"order": order.id})
        return operation

    def fulfil(self, job: Job) -> Effect | None:
        """Ask to whom it goes, and take the step; users that cannot be asked now are asked later, as long as it takes."""
        with self._store.read() as tx:
            row, order = find(tx, job.payload["order"]), book.find(tx, job.payload["order"])
        if row is None or order is None or row.state != State.RUNNING:
            return None
        self._steps.at("users.calling")
        try:
            recipient = self._edges.users.recipient(order.owner)
        except Unreachable as error:
            raise Later(jittered(self._timing.follow)) from error
        self._steps.at("users.answered")
        return lambda tx: self._end(tx, row, recipient)

    def tell(self, job: Job) -> Effect | None:
        """Payments hear of it, which send the webhooks of both."""
        with self._store.read() as tx:
            order = book.find(tx, job.payload["order"])
        if order is not None:
            self._steps.at("fulfilled.telling")
            try:
                step = OrderStep(order.id, order.owner, order.status, order.version, order.client_id)
                self._edges.payments.order_changed(step)
            except Unreachable as error:
                raise Later(jittered(self._timing.follow)) from error
        return None

    def _end(self, tx: sa.Connection, row: Row, recipient: Recipient | None) -> None:
        """Sent out, unless it was called off meanwhile."""
        book.hold(tx, row.order_id)
        order = book.find(tx, row.order_id)
        if order is None or order.status != Status.PAID:
            self._set(tx, row.order_id, state=State.CANCELED.value)
            self._operations.end(tx, row.operation_id, _document(CALLED_OFF, row.order_id))
            return
        self._book.take(tx, order, Status.FULFILLED, actor=row.actor)
        self._steps.at("order.fulfilled")
        told = None if recipient is None else asdict(recipient)
        self._set(tx, row.order_id, state=State.DONE.value, recipient=told)
        self._operations.end(tx, row.operation_id)
        self._jobs.enqueue(tx, TELL, {"order": row.order_id})

    def _given_up(self, tx: sa.Connection, job: Job) -> None:
        """Somebody may ask for it again."""
        row = find(tx, job.payload["order"])
        if row is not None and row.state == State.RUNNING:
            tx.execute(sa.delete(FulfilmentRow).where(FulfilmentRow.order_id == row.order_id))
            self._operations.end(tx, row.operation_id, _document(_NOT_FULFILLED, row.order_id))

    def _set(self, tx: sa.Connection, order: str, **values: Any) -> None:
        tx.execute(sa.update(FulfilmentRow).where(FulfilmentRow.order_id == order).values(**values))


def find(tx: sa.Connection, order_id: str) -> Row | None:
    """The fulfilment of an order."""
    query = sa.select(FulfilmentRow.__table__).where(FulfilmentRow.order_id == order_id)
    return tx.execute(query).one_or_none()


def _document(problem: Problem, order: str) -> dict[str, Any]:
    return problem.document(instance=f"/v2/orders/{order}", trace_id="-")
