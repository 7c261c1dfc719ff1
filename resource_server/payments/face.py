"""How payments answer the other services, and tell orders of each step."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from resource_server.api.money import Money
from resource_server.api.problems import Problem
from resource_server.edges.faces import OrderStep, PaymentSeen, PaymentWanted, Refused, Unreachable
from resource_server.edges.joined import Edges
from resource_server.payments import book, documents
from resource_server.payments.allowance import use_allowed
from resource_server.payments.desk import Desk, Wanted
from resource_server.payments.hearing import Hearing
from resource_server.payments.machine import REFUNDABLE, Status
from resource_server.payments.models import InboxRow, Payment
from resource_server.platform.store import Row, Store
from resource_server.work import inbox
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import BackOff, Effect, Job, Kind

TELL_ORDERS = "orders.payment_changed"
_GIVE_BACK = "payments.give_back"
_ORDERS = "orders"
_MONTH = 30 * 86400


class PaymentsAnswers:
    """Fills `PaymentsFace`."""

    def __init__(self, store: Store, desk: Desk, jobs: Jobs, hearing: Hearing) -> None:
        self._store = store
        self._desk = desk
        self._jobs = jobs
        self._hearing = hearing

    def create(self, wanted: PaymentWanted) -> PaymentSeen:
        """The payment of this key, made by the first call."""
        asked = _translated(wanted)
        with self._store.change() as tx:
            return seen(self._desk.asked_before(tx, asked) or self._made(tx, wanted, asked))

    def _made(self, tx: sa.Connection, wanted: PaymentWanted, asked: Wanted) -> Row:
        try:
            use_allowed(tx, wanted.allowed, self._jobs.now() + _MONTH)
        except Problem as problem:
            raise Refused(problem.code, problem.detail) from problem
        return self._desk.create(tx, asked)

    def authorize(self, wanted: PaymentWanted, token: str) -> None:
        """In one process the token was judged for both."""

    def find(self, payment_id: str, *, owner: str) -> PaymentSeen | None:
        with self._store.read() as tx:
            payment = book.find(tx, payment_id[:32])
        return None if payment is None or payment.owner != owner else seen(payment)

    def of_orders(self, orders: Sequence[str], *, owner: str) -> Sequence[PaymentSeen]:
        of = (Payment.order_id.in_(orders), Payment.owner == owner)
        query = sa.select(Payment.__table__).where(*of).order_by(Payment.id)
        with self._store.read() as tx:
            return [seen(payment) for payment in tx.execute(query)]

    def give_back(self, payment_id: str, *, owner: str, key: str) -> PaymentSeen:
        """Void what was authorized, refund what was paid; what is still being charged is given back when that is over."""
        with self._store.change() as tx:
            payment = book.find(tx, payment_id[:32])
            if payment is None or payment.owner != owner:
                raise Refused("not_found", "There is no such payment.")
            status = Status(payment.status)
            if payment.busy is not None:
                raise Unreachable("the payment is being changed")
            if inbox.take(tx, InboxRow, _GIVE_BACK, key, self._jobs.now()):
                self._give_back(tx, payment, status)
        return seen(payment)

    def order_changed(self, step: OrderStep) -> None:
        self._hearing.order_changed(step)

    def _give_back(self, tx: sa.Connection, payment: Row, status: Status) -> None:
        try:
            if status is Status.AUTHORIZED:
                self._desk.cancel(tx, payment, _ORDERS, payment.client_id)
            elif status in REFUNDABLE:
                self._desk.refund(tx, payment, None, _ORDERS, payment.client_id, approved=True)
        except Problem as problem:
            raise Unreachable("the payment is being changed") from problem


class OrdersHear:
    """Tells orders of each step, in their order, as often as it takes."""

    def __init__(self, store: Store, jobs: Jobs, edges: Edges, retries: BackOff) -> None:
        self._store = store
        self._jobs = jobs
        self._edges = edges
        self._retries = retries

    def kinds(self) -> tuple[Kind, ...]:
        return (Kind(TELL_ORDERS, self.tell, self._retries),)

    def payment_changed(self, tx: sa.Connection, payment: Row) -> None:
        """In the transaction of the step: what concerns an order is told to orders."""
        if payment.order_id is not None:
            self._jobs.enqueue(tx, TELL_ORDERS, {"payment": payment.id}, order=(payment.id, payment.version))

    def tell(self, job: Job) -> Effect | None:
        """Orders hear how the payment is now, which is no older than the step."""
        with self._store.read() as tx:
            payment = book.find(tx, job.payload["payment"])
        if payment is not None:
            self._edges.orders.payment_changed(seen(payment))
        return None


def seen(payment: Row) -> PaymentSeen:
    """A payment as others see it."""
    return PaymentSeen(
        id=payment.id,
        order=payment.order_id,
        owner=payment.owner,
        status=payment.status,
        version=payment.version,
        shown=documents.payment(payment),
        key=payment.checkout,
    )


def _translated(wanted: PaymentWanted) -> Wanted:
    return Wanted(
        Money(wanted.value, wanted.currency),
        owner=wanted.owner,
        client_id=wanted.client_id,
        order=wanted.order,
        method=wanted.method,
        capture=wanted.capture,
        checkout=wanted.key,
    )
