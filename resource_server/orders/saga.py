"""The saga of an order's money: payments are asked once under the checkout's key, heard of, followed, and asked to give it back.

Whatever dies in between, each part can be done again: the key makes one payment of however many calls, and what is heard twice or late does
nothing. Payments that cannot be asked now are asked later, as long as it takes; the order waits, and nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from resource_server.api.problems import Problem
from resource_server.edges.faces import PaymentSeen, PaymentWanted, Refused, Unreachable
from resource_server.edges.joined import Edges
from resource_server.orders import book
from resource_server.orders.book import Book
from resource_server.orders.desk import CALLED_OFF, COSTING, FOLLOW, GIVE_BACK, OPEN, PAY, State
from resource_server.orders.machine import Status
from resource_server.orders.models import CancellationRow, CheckoutRow
from resource_server.platform.store import Row, Store
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import BackOff, Effect, Job, Kind, Later, jittered
from resource_server.work.operations import Operations
from resource_server.work.steps import Steps

PAID = frozenset({"succeeded", "partially_refunded", "refunded"})
LOST = frozenset({"failed", "canceled", "expired"})
FREE = frozenset({"refunded", *LOST})
"""Statuses of the payment machine in which nothing is the customer's cost."""
_LONGEST_FOLLOW = 300.0


class StillOwed(Exception):
    """The money is not given back yet, though nothing seems to be under way."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When payments that cannot be asked, or are not settled, are asked again (seconds); how other failures are retried."""

    follow: float
    retries: BackOff


class Saga:
    """The handlers of orders' jobs, and what is done with what payments tell."""

    def __init__(
        self,
        store: Store,
        records: Book,
        jobs: Jobs,
        operations: Operations,
        edges: Edges,
        *,
        client_id: str,
        timing: Timing,
        steps: Steps,
    ) -> None:
        self._store = store
        self._book = records
        self._jobs = jobs
        self._operations = operations
        self._edges = edges
        self._client_id = client_id
        self._timing = timing
        self._steps = steps

    def kinds(self) -> tuple[Kind, ...]:
        retries = self._timing.retries
        return (
            Kind(PAY, self.pay, retries),
            Kind(FOLLOW, self.follow, retries),
            Kind(GIVE_BACK, self.give_back, retries, buried=self._not_given_back),
        )

    def wanted(self, checkout: str, order: Row, method: str) -> PaymentWanted:
        """The payment that a checkout of this order asks for, on behalf of the app through which it was placed."""
        app = order.client_id or self._client_id
        return PaymentWanted(checkout, order.id, order.owner, app, order.total, order.currency, method)

    def pay(self, job: Job) -> Effect | None:
        """Ask for the payment of a checkout; by its key it is one payment, however often this runs."""
        wanted = self._asking(job.payload["checkout"])
        if wanted is None:
            return None
        checkout = wanted.key
        self._steps.at("payments.calling")
        try:
            seen = self._edges.payments.create(wanted)
        except Unreachable as error:
            raise Later(jittered(self._timing.follow)) from error
        except Refused as refused:
            reason = refused.code
            return lambda tx: self._refused(tx, checkout, reason)
        self._steps.at("payments.answered")

        def effect(tx: sa.Connection) -> None:
            made = (CheckoutRow.id == checkout, CheckoutRow.state == State.ASKED)
            tx.execute(sa.update(CheckoutRow).where(*made).values(state=State.MADE.value, payment_id=seen.id))
            self._steps.at("checkout.made")
            self._jobs.enqueue(tx, FOLLOW, {"checkout": checkout, "tries": 1}, after=self._timing.follow)

        return effect

    def follow(self, job: Job) -> Effect | None:
        """Ask how a payment is, in case that nobody could tell us; less and less often."""
        checkout, tries = self._find(job.payload["checkout"]), int(job.payload["tries"])
        if checkout is None or checkout.state != State.MADE or checkout.payment_id is None:
            return None
        try:
            seen = self._edges.payments.find(checkout.payment_id, owner=checkout.owner)
        except Unreachable as error:
            raise Later(jittered(self._timing.follow)) from error
        after = min(self._timing.follow * 2**tries, _LONGEST_FOLLOW)

        def effect(tx: sa.Connection) -> None:
            if seen is not None:
                self._settle(tx, checkout.id, seen)
            if seen is None or seen.status not in PAID | LOST:
                self._jobs.enqueue(tx, FOLLOW, {"checkout": checkout.id, "tries": tries + 1}, after=after)

        return effect

    def hear(self, payment: PaymentSeen) -> None:
        """What payments tell of a step; of a payment that no checkout asked for it is nothing to us."""
        known = CheckoutRow.payment_id == payment.id
        mine = known if payment.key is None else sa.or_(known, CheckoutRow.id == payment.key)
        with self._store.change() as tx:
            query = sa.select(CheckoutRow.id).where(mine, CheckoutRow.owner == payment.owner)
            checkout = tx.execute(query).scalar_one_or_none()
            if checkout is not None:
                self._settle(tx, checkout, payment)
                self._steps.at("payment.heard")

    def give_back(self, job: Job) -> Effect | None:
        """Have everything given back that a canceled order cost."""
        order, cancellation = job.payload["order"], job.payload["cancellation"]
        with self._store.read() as tx:
            costing = (CheckoutRow.order_id == order, CheckoutRow.state.in_(COSTING))
            checkouts = tx.execute(sa.select(CheckoutRow.__table__).where(*costing)).all()
        for checkout in checkouts:
            if checkout.payment_id is None:  # its own job finds out first what became of it
                raise Later(jittered(self._timing.follow))
            key = f"{cancellation}.{checkout.id}.{job.attempts}"
            self._steps.at("payments.giving_back")
            try:
                seen = self._edges.payments.give_back(checkout.payment_id, owner=checkout.owner, key=key)
            except Unreachable as error:
                raise Later(jittered(self._timing.follow)) from error
            self._steps.at("payments.gave_back")
            if seen.status not in FREE:
                raise StillOwed(checkout.payment_id)
        return lambda tx: self._end(tx, cancellation, None)

    # -- within a transaction ---------------------------------------------------------------------------------------------

    def _asking(self, checkout: str) -> PaymentWanted | None:
        """What to ask for, of which everybody knows from now on that payments may have heard of it; None when there is nothing to ask."""
        asking = (CheckoutRow.id == checkout, CheckoutRow.state.in_((State.WAITING, State.ASKED)))
        changing = sa.update(CheckoutRow).where(*asking).values(state=State.ASKED.value)
        with self._store.change() as tx:
            found = tx.execute(changing.returning(*CheckoutRow.__table__.c)).one_or_none()
            order = None if found is None else book.find(tx, found.order_id)
        self._steps.at("checkout.asked")
        if found is None or order is None:
            return None
        return replace(self.wanted(found.id, order, found.method), allowed=found.allowed)

    def _find(self, checkout: str) -> Row | None:
        with self._store.read() as tx:
            return tx.execute(sa.select(CheckoutRow.__table__).where(CheckoutRow.id == checkout)).one_or_none()

    def _settle(self, tx: sa.Connection, checkout_id: str, payment: PaymentSeen) -> None:
        """Take over how a payment is, unless something newer is known."""
        checkout = _locked(tx, checkout_id)
        if payment.version <= checkout.payment_version:
            return
        values: dict[str, Any] = {"payment_id": payment.id, "payment_version": payment.version}
        if checkout.state in OPEN:
            values["state"] = State.MADE.value
        tx.execute(sa.update(CheckoutRow).where(CheckoutRow.id == checkout.id).values(**values))
        if checkout.state not in OPEN:
            return
        if payment.status in PAID:
            self._won(tx, checkout)
        elif payment.status in LOST:
            self._lost(tx, checkout, str(payment.shown.get("failure") or payment.status))

    def _won(self, tx: sa.Connection, checkout: Row) -> None:
        order = book.find(tx, checkout.order_id)
        self._close(tx, checkout, State.SUCCEEDED)
        if order is not None and order.status == Status.AWAITING_PAYMENT:
            self._book.take(tx, order, Status.PAID)
            self._steps.at("order.stepped")
            self._operations.end(tx, checkout.operation_id)
        else:
            self._operations.end(tx, checkout.operation_id, _document(CALLED_OFF, checkout))

    def _lost(self, tx: sa.Connection, checkout: Row, reason: str) -> None:
        order = book.find(tx, checkout.order_id)
        self._close(tx, checkout, State.FAILED, failure=reason[:64])
        if order is not None and order.status == Status.AWAITING_PAYMENT:
            self._book.take(tx, order, Status.PAYMENT_FAILED, reason=reason[:64])
            self._steps.at("order.stepped")
        declined = Problem(402, "payment_declined", "The payment was not made.", more={"reason": reason})
        self._operations.end(tx, checkout.operation_id, _document(declined, checkout))

    def _refused(self, tx: sa.Connection, checkout_id: str, reason: str) -> None:
        checkout = _locked(tx, checkout_id)
        if checkout.state in OPEN:
            self._lost(tx, checkout, reason)

    def _close(self, tx: sa.Connection, checkout: Row, state: State, **more: Any) -> None:
        tx.execute(sa.update(CheckoutRow).where(CheckoutRow.id == checkout.id).values(state=state.value, **more))

    def _not_given_back(self, tx: sa.Connection, job: Job) -> None:
        problem = Problem(409, "not_given_back", "The money could not be given back.")
        instance = f"/v2/orders/{job.payload['order']}"
        self._end(tx, job.payload["cancellation"], problem.document(instance=instance, trace_id="-"))

    def _end(self, tx: sa.Connection, cancellation: str, error: dict[str, Any] | None) -> None:
        query = sa.select(CancellationRow.operation_id).where(CancellationRow.id == cancellation)
        self._operations.end(tx, tx.execute(query).scalar_one(), error)


def _locked(tx: sa.Connection, checkout_id: str) -> Row:
    """The checkout as it stays until the transaction ends: its order's row is held, which every change of either holds."""
    of = sa.select(CheckoutRow.order_id).where(CheckoutRow.id == checkout_id)
    book.hold(tx, tx.execute(of).scalar_one())
    return tx.execute(sa.select(CheckoutRow.__table__).where(CheckoutRow.id == checkout_id)).one()


def _document(problem: Problem, checkout: Row) -> dict[str, Any]:
    return problem.document(instance=f"/v2/orders/{checkout.order_id}", trace_id="-")
