"""Where changes of payments are asked for: each leaves, in one transaction, what the worker does later and an operation to follow it by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from resource_server.api.money import Money
from resource_server.api.problems import Problem
from resource_server.payments import book, settling
from resource_server.payments.book import Book, Changed
from resource_server.payments.machine import REFUNDABLE, Status
from resource_server.payments.models import Payment, Refund
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row
from resource_server.work import operations
from resource_server.work.jobs import Jobs
from resource_server.work.operations import Operations

_PENDING_APPROVAL = "awaiting_approval"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A payment that is asked for. `method` is a token of the provider, never card data; `checkout` the key under which orders ask."""

    money: Money
    owner: str
    client_id: str
    order: str | None = None
    method: str = "pm_card"
    capture: str = "automatic"
    checkout: str | None = None


class Desk:
    """Takes requests that were allowed. All methods work within the caller's transaction and raise `Problem`."""

    def __init__(
        self, records: Book, jobs: Jobs, operations: Operations, *, now: Callable[[], float] = time.time
    ) -> None:
        self._book = records
        self._jobs = jobs
        self._operations = operations
        self._now = now

    def asked_before(self, tx: sa.Connection, wanted: Wanted) -> Row | None:
        """The payment of this checkout, made by an earlier call; raises 422 for one that was asked for otherwise."""
        if wanted.checkout is None:
            return None
        query = sa.select(Payment.__table__).where(Payment.checkout == wanted.checkout)
        known: Row | None = tx.execute(query).one_or_none()
        if known is not None and (known.owner, known.order_id, known.value, known.currency) != (
            wanted.owner,
            wanted.order,
            wanted.money.value,
            wanted.money.currency,
        ):
            raise Problem(422, "idempotency_key_reused", "This checkout asked for another payment.")
        return known

    def create(self, tx: sa.Connection, wanted: Wanted) -> Row:
        """A new payment; its operation is `payment.attempt`. Raises 409 for a twin that is making the same one."""
        operation = self._operations.new_id()
        values = {
            "id": new_id("pay"),
            "owner": wanted.owner,
            "client_id": wanted.client_id,
            "order_id": wanted.order,
            "method": wanted.method,
            "capture": wanted.capture,
            "value": wanted.money.value,
            "currency": wanted.money.currency,
            "attempt": operation,
            "busy": operation,
            "checkout": wanted.checkout,
        }
        try:
            payment = self._book.add(tx, values)
        except IntegrityError as error:  # only a checkout is unique
            detail = "The same payment is being made."
            raise Problem(409, "request_in_progress", detail, headers={"Retry-After": "1"}) from error
        self._begin(tx, operation, "payment.create", payment, wanted.owner, wanted.client_id)
        self._jobs.enqueue(tx, settling.CHARGE, {"payment": payment.id})
        return payment

    def capture(self, tx: sa.Connection, payment: Row, value: int | None, actor: str, client_id: str) -> str:
        """Take what was authorized, or less; the rest is released. Returns the operation's id."""
        _expect(payment, payment.status == Status.AUTHORIZED, "captured")
        taken = payment.value if value is None else value
        if taken > payment.value:
            raise _too_much(f"At most {payment.value} was authorized.")
        return self._ask(tx, payment, settling.CAPTURE, taken, actor, client_id)

    def cancel(self, tx: sa.Connection, payment: Row, actor: str, client_id: str) -> str:
        """Release what was authorized. Returns the operation's id."""
        _expect(payment, payment.status == Status.AUTHORIZED, "canceled")
        return self._ask(tx, payment, settling.CANCEL, payment.value, actor, client_id)

    def refund(
        self, tx: sa.Connection, payment: Row, value: int | None, actor: str, client_id: str, *, approved: bool
    ) -> tuple[str, str]:
        """Give back what was paid, or less; not `approved`: once a second person agrees. Returns the refund's id and the operation's."""
        _expect(payment, Status(payment.status) in REFUNDABLE, "refunded")
        left = payment.captured_value - payment.refunded_value
        given = left if value is None else value
        if given > left:
            raise _too_much(f"At most {left} can still be refunded.")
        refund, operation = new_id("ref"), self._operations.new_id()
        values = {
            "id": refund,
            "payment_id": payment.id,
            "operation_id": operation,
            "value": given,
            "status": "running" if approved else _PENDING_APPROVAL,
            "requested_by": actor,
            "created_at": self._now(),
        }
        tx.execute(sa.insert(Refund).values(**values))
        self._occupy(tx, payment, operation)
        state = operations.RUNNING if approved else operations.AWAITING_APPROVAL
        self._begin(tx, operation, settling.REFUND, payment, actor, client_id, state)
        if approved:
            self._enqueue_refund(tx, payment.id, refund, operation, given, actor)
        return refund, operation

    def approve(self, tx: sa.Connection, refund: Row, actor: str) -> None:
        """A second person agrees to a refund above the limit."""
        if refund.requested_by == actor:
            raise Problem(403, "second_person_needed", "Somebody else than who asked for the refund approves it.")
        waiting = (Refund.id == refund.id, Refund.status == _PENDING_APPROVAL)
        changing = sa.update(Refund).where(*waiting).values(status="running", approved_by=actor)
        if not tx.execute(changing).rowcount or not self._operations.resume(tx, refund.operation_id):
            raise Problem(409, "illegal_step", "The refund does not wait for approval.")
        self._enqueue_refund(tx, refund.payment_id, refund.id, refund.operation_id, refund.value, refund.requested_by)

    def reject(self, tx: sa.Connection, refund: Row) -> None:
        """Nobody agrees: nothing is given back."""
        waiting = (Refund.id == refund.id, Refund.status == _PENDING_APPROVAL)
        if not tx.execute(sa.update(Refund).where(*waiting).values(status="rejected")).rowcount:
            raise Problem(409, "illegal_step", "The refund does not wait for approval.")
        payment = book.find(tx, refund.payment_id)
        if payment is not None:
            self._book.release(tx, payment)
        instance = f"/v2/payments/{refund.payment_id}"
        self._operations.end(tx, refund.operation_id, _REJECTED.document(instance=instance, trace_id="-"))

    def _ask(self, tx: sa.Connection, payment: Row, kind: str, value: int, actor: str, client_id: str) -> str:
        operation = self._operations.new_id()
        self._occupy(tx, payment, operation)
        self._begin(tx, operation, kind, payment, actor, client_id)
        payload = {"payment": payment.id, "operation": operation, "value": value, "actor": actor}
        self._jobs.enqueue(tx, kind, payload)
        return operation

    def _enqueue_refund(
        self, tx: sa.Connection, payment: str, refund: str, operation: str, value: int, actor: str
    ) -> None:
        payload = {"payment": payment, "refund": refund, "operation": operation, "value": value, "actor": actor}
        self._jobs.enqueue(tx, settling.REFUND, payload)

    def _occupy(self, tx: sa.Connection, payment: Row, operation: str) -> None:
        try:
            self._book.occupy(tx, payment, operation)
        except Changed as error:
            detail = "Another operation on this payment is under way."
            raise Problem(409, "operation_running", detail, headers={"Retry-After": "1"}) from error

    def _begin(
        self,
        tx: sa.Connection,
        operation: str,
        kind: str,
        payment: Row,
        owner: str,
        client_id: str,
        state: str = operations.RUNNING,
    ) -> None:
        resource = f"/v2/payments/{payment.id}"
        self._operations.begin(
            tx, operation, kind=kind, resource=resource, owner=owner, client_id=client_id, state=state
        )


_REJECTED = Problem(409, "refund_rejected", "The refund was not approved.")


def _expect(payment: Row, fits: bool, done: str) -> None:
    if not fits:
        raise Problem(409, "illegal_step", f"A payment that is {payment.status} cannot be {done}.")


def _too_much(detail: str) -> Problem:
    return Problem(422, "invalid", detail, errors=[{"pointer": "/amount/value", "detail": detail}])
