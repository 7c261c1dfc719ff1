"""Where orders are checked out and called off: each leaves, in one transaction, what the worker does later and an operation to follow it by."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

import sqlalchemy as sa

from resource_server.api.problems import Problem
from resource_server.orders.book import Book, Changed
from resource_server.orders.machine import CANCELABLE, PAYABLE, Status
from resource_server.orders.models import CancellationRow, CheckoutRow
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row
from resource_server.work.jobs import Jobs
from resource_server.work.operations import Operations

PAY, FOLLOW, GIVE_BACK = "order.pay", "order.follow", "order.give_back"


class State(StrEnum):
    """How far a checkout is."""

    WAITING = "waiting"
    ASKED = "asked"
    """Payments were asked, and may or may not have heard it."""
    MADE = "made"
    """There is a payment."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


OPEN = (State.WAITING, State.ASKED, State.MADE)
COSTING = (State.ASKED, State.MADE, State.SUCCEEDED)
"""Checkouts whose money must be given back when the order is called off."""


class Desk:
    """Takes requests that were allowed. All methods work within the caller's transaction and raise `Problem`."""

    def __init__(self, book: Book, jobs: Jobs, operations: Operations, *, now: Callable[[], float] = time.time) -> None:
        self._book = book
        self._jobs = jobs
        self._operations = operations
        self._now = now

    def check_out(
        self, tx: sa.Connection, order: Row, *, key: str, method: str, client_id: str, allowed: str | None = None
    ) -> str:
        """Have an order paid, as it was read; `key` is the checkout's id. Returns the operation's."""
        expect_payable(order)
        self._step(tx, order, Status.AWAITING_PAYMENT, order.owner)
        operation = self._operations.new_id()
        values = {
            "id": key,
            "order_id": order.id,
            "operation_id": operation,
            "owner": order.owner,
            "method": method,
            "value": order.total,
            "currency": order.currency,
            "state": State.WAITING.value,
            "payment_version": 0,
            "allowed": allowed,
            "created_at": int(self._now()),
        }
        tx.execute(sa.insert(CheckoutRow).values(**values))
        self._begin(tx, operation, "order.checkout", order, order.owner, client_id)
        self._jobs.enqueue(tx, PAY, {"checkout": key})
        return operation

    def cancel(self, tx: sa.Connection, order: Row, *, actor: str, client_id: str) -> str:
        """Call an order off; what it costs is given back. Returns the operation's id."""
        if Status(order.status) not in CANCELABLE:
            raise Problem(409, "illegal_step", f"An order that is {order.status} cannot be canceled.")
        self._step(tx, order, Status.CANCELED, actor)
        self._call_off(tx, order.id)
        operation, cancellation = self._operations.new_id(), new_id("can")
        values = {
            "order_id": order.id,
            "id": cancellation,
            "operation_id": operation,
            "created_at": int(self._now()),
        }
        tx.execute(sa.insert(CancellationRow).values(**values))
        self._begin(tx, operation, "order.cancel", order, actor, client_id)
        costing = (CheckoutRow.order_id == order.id, CheckoutRow.state.in_(COSTING))
        if tx.execute(sa.select(sa.exists().where(*costing))).scalar_one():
            self._jobs.enqueue(tx, GIVE_BACK, {"order": order.id, "cancellation": cancellation})
        else:
            self._operations.end(tx, operation)
        return operation

    def _call_off(self, tx: sa.Connection, order: str) -> None:
        """A checkout that nobody was asked about yet does not happen."""
        waiting = (CheckoutRow.order_id == order, CheckoutRow.state == State.WAITING)
        ending = sa.update(CheckoutRow).where(*waiting).values(state=State.CANCELED.value)
        for operation in tx.execute(ending.returning(CheckoutRow.operation_id)).scalars().all():
            self._operations.end(tx, operation, CALLED_OFF.document(instance=f"/v2/orders/{order}", trace_id="-"))

    def _step(self, tx: sa.Connection, order: Row, status: Status, actor: str) -> None:
        try:
            self._book.take(tx, order, status, actor=actor)
        except Changed as error:
            raise Problem(412, "precondition_failed", "It was changed meanwhile; read it again.") from error

    def _begin(self, tx: sa.Connection, operation: str, kind: str, order: Row, owner: str, client_id: str) -> None:
        resource = f"/v2/orders/{order.id}"
        self._operations.begin(tx, operation, kind=kind, resource=resource, owner=owner, client_id=client_id)


CALLED_OFF = Problem(409, "order_canceled", "The order was called off before it was paid.")


def expect_payable(order: Row) -> None:
    """Raises 409 for an order that cannot be checked out."""
    if Status(order.status) not in PAYABLE:
        raise Problem(409, "illegal_step", f"An order that is {order.status} cannot be checked out.")
    if order.total == 0:
        raise Problem(409, "illegal_step", "There is nothing to pay.")
