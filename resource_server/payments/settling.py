"""What jobs do: ask the provider, then write what came of it. After a run that may have reached the provider, ask first what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from resource_server.api.money import Money
from resource_server.api.problems import Problem
from resource_server.payments import book
from resource_server.payments.book import Book, Step
from resource_server.payments.machine import REFUNDABLE, UNSETTLED, Status
from resource_server.payments.models import Refund
from resource_server.payments.provider import Outcome, Provider, State
from resource_server.platform.store import Row, Store
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import BackOff, Effect, Job, Kind, Later
from resource_server.work.operations import Operations
from resource_server.work.steps import Steps

CHARGE, CAPTURE, CANCEL, REFUND, EXPIRE = (
    "payment.charge",
    "payment.capture",
    "payment.cancel",
    "payment.refund",
    "payment.expire",
)
_LONGEST_FOLLOW = 300.0
_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Timing:
    """When to ask again after a pending answer (doubling), how failures are retried, how long an authorization holds. Seconds."""

    follow: float
    retries: BackOff
    authorization: float


class Settling:
    """The handlers of payments' jobs, and what a callback does."""

    def __init__(
        self,
        store: Store,
        records: Book,
        jobs: Jobs,
        operations: Operations,
        provider: Provider,
        *,
        timing: Timing,
        steps: Steps,
    ) -> None:
        self._store = store
        self._book = records
        self._jobs = jobs
        self._operations = operations
        self._provider = provider
        self._timing = timing
        self._steps = steps

    def kinds(self) -> tuple[Kind, ...]:
        handlers = {
            CHARGE: self.charge,
            CAPTURE: self.capture,
            CANCEL: self.cancel,
            REFUND: self.refund,
            EXPIRE: self.expire,
        }
        return tuple(Kind(name, handler, self._timing.retries) for name, handler in handlers.items())

    def charge(self, job: Job) -> Effect | None:
        """Charge a new payment, or ask again after one whose outcome was open."""
        payment = self._begun(job.payload["payment"])
        if payment is None:
            return None
        tries: int = job.payload.get("tries", 0)
        outcome = self._ask(job, payment.attempt, lambda: self._charge(payment), asked_before=tries > 0)

        def effect(tx: sa.Connection) -> None:
            if self.settle(tx, payment.id, outcome) in UNSETTLED:
                after = min(self._timing.follow * 2**tries, _LONGEST_FOLLOW)
                self._jobs.enqueue(tx, CHARGE, {"payment": payment.id, "tries": tries + 1}, after=after)

        return effect

    def settle(self, tx: sa.Connection, payment_id: str, outcome: Outcome) -> Status | None:
        """Write what came of a charge, unless it is written; returns where the payment is then."""
        payment = book.find(tx, payment_id)
        if payment is None:
            return None
        before = Status(payment.status)
        if before not in UNSETTLED or outcome.state is State.PENDING:
            return before
        if before is Status.REQUIRES_AUTHENTICATION and outcome.state is State.REQUIRES_ACTION:
            return before
        if before is not Status.PROCESSING:
            payment = self._book.take(tx, payment, Step(Status.PROCESSING))
            self._steps.at("effect.resumed")
        after = self._book.take(tx, payment, _charged(payment, outcome))
        self._steps.at("effect.stepped")
        self._after_charge(tx, after, outcome)
        return Status(after.status)

    def capture(self, job: Job) -> Effect | None:
        """Take money that was authorized, or a part of it; the rest is released."""
        value: int = job.payload["value"]
        step = Step(Status.SUCCEEDED, value, job.payload["actor"], changes={"busy": None, "captured_value": value})
        return self._change(job, "captures", value, frozenset({Status.AUTHORIZED}), step)

    def cancel(self, job: Job) -> Effect | None:
        """Release what was authorized."""
        step = Step(Status.CANCELED, 0, job.payload["actor"], changes={"busy": None})
        return self._change(job, "cancellations", job.payload["value"], frozenset({Status.AUTHORIZED}), step)

    def refund(self, job: Job) -> Effect | None:
        """Give back what was paid, or a part of it."""
        value: int = job.payload["value"]
        with self._store.read() as tx:
            payment = book.find(tx, job.payload["payment"])
        if payment is None:
            return None
        refunded = payment.refunded_value + value
        status = Status.REFUNDED if refunded == payment.captured_value else Status.PARTIALLY_REFUNDED
        changes = {"busy": None, "refunded_value": refunded}
        step = Step(status, value, job.payload["actor"], changes=changes)
        return self._change(job, "refunds", value, REFUNDABLE, step)

    def expire(self, job: Job) -> Effect | None:
        """Release what was authorized and never captured."""
        payment = self._in(job, frozenset({Status.AUTHORIZED}))
        if payment is None:
            return None
        if payment.busy is not None:
            raise Later(_BUSY_SECONDS)
        key = f"{payment.attempt}.expiry"
        self._ask(job, key, lambda: self._provider.change("cancellations", payment.attempt, key, _money(payment)))
        return lambda tx: self._take_expiry(tx, payment)

    def _take_expiry(self, tx: sa.Connection, payment: Row) -> None:
        self._book.take(tx, payment, Step(Status.EXPIRED, reason="never_captured"))

    def _begun(self, payment_id: str) -> Row | None:
        """The payment in processing, which says to everybody that the provider may have it; None when it is settled."""
        with self._store.read() as tx:
            payment = book.find(tx, payment_id)
        if payment is None or Status(payment.status) not in UNSETTLED:
            return None
        if payment.status == Status.CREATED:
            with self._store.change() as tx:
                payment = self._book.take(tx, payment, Step(Status.PROCESSING))
            self._steps.at("charge.processing")
        return payment

    def _charge(self, payment: Row) -> Outcome:
        capture = payment.capture == "automatic"
        return self._provider.charge(
            payment.attempt, _money(payment), capture=capture, method=payment.method, reference=payment.id
        )

    def _ask(self, job: Job, key: str, act: Callable[[], Outcome], *, asked_before: bool = False) -> Outcome:
        """Do it, once: what may have been done before is asked for first."""
        if job.attempts > 1 or asked_before:
            self._steps.at("provider.querying")
            found = self._provider.find(key)
            self._steps.at("provider.queried")
            if found is not None:
                return found
        self._steps.at("provider.calling")
        outcome = act()
        self._steps.at("provider.answered")
        return outcome

    def _change(self, job: Job, what: str, value: int, fitting: frozenset[Status], step: Step) -> Effect | None:
        """Ask for a capture, cancellation or refund; then the step, or, when it was declined, none."""
        payment, operation = self._in(job, fitting), job.payload["operation"]
        if payment is None or payment.busy != operation:
            return None
        money = Money(value, payment.currency)
        outcome = self._ask(job, operation, lambda: self._provider.change(what, payment.attempt, operation, money))
        refund_id: str | None = job.payload.get("refund")

        def effect(tx: sa.Connection) -> None:
            declined = outcome.state is State.DECLINED
            if declined:
                self._book.release(tx, payment)
            else:
                self._book.take(tx, payment, step)
            self._steps.at("effect.stepped")
            if refund_id is not None:
                of = sa.update(Refund).where(Refund.id == refund_id)
                tx.execute(of.values(status="failed" if declined else "succeeded"))
            self._operations.end(tx, operation, _declined(payment, outcome.reason) if declined else None)

        return effect

    def _in(self, job: Job, fitting: frozenset[Status]) -> Row | None:
        with self._store.read() as tx:
            payment = book.find(tx, job.payload["payment"])
        return payment if payment is not None and Status(payment.status) in fitting else None

    def _after_charge(self, tx: sa.Connection, payment: Row, outcome: Outcome) -> None:
        """End the operation, when there is nothing more to wait for."""
        if outcome.state is State.REQUIRES_ACTION:
            return
        declined = _declined(payment, outcome.reason) if outcome.state is State.DECLINED else None
        self._operations.end(tx, payment.attempt, declined)
        self._steps.at("effect.operation")
        if outcome.state is State.AUTHORIZED:
            self._jobs.enqueue(tx, EXPIRE, {"payment": payment.id}, after=self._timing.authorization)


def _charged(payment: Row, outcome: Outcome) -> Step:
    match outcome.state:
        case State.SUCCEEDED:
            changes = {"busy": None, "captured_value": payment.value}
            return Step(Status.SUCCEEDED, payment.value, changes=changes)
        case State.AUTHORIZED:
            return Step(Status.AUTHORIZED, payment.value, changes={"busy": None})
        case State.REQUIRES_ACTION:
            return Step(Status.REQUIRES_AUTHENTICATION)
        case _:
            reason = outcome.reason or "declined"
            return Step(Status.FAILED, reason=reason, changes={"busy": None, "failure": reason})


def _declined(payment: Row, reason: str | None) -> dict[str, Any]:
    """The problem an operation ended with."""
    told = {"reason": reason or "declined"}
    problem = Problem(402, "payment_declined", "The payment provider declined.", more=told)
    return problem.document(instance=f"/v2/payments/{payment.id}", trace_id="-")


def _money(payment: Row) -> Money:
    return Money(payment.value, payment.currency)
