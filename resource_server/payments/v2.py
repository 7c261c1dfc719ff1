"""v2 of the payments API: what changes money is acknowledged with 202 and an operation, and done by the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from flask import Response, jsonify, request
from token_guard import Needs, Principal

from resource_server.api import bodies, idempotency
from resource_server.api.acknowledged import OPERATIONS, Acknowledgements, OperationShown
from resource_server.api.conditional import with_etag
from resource_server.api.idempotency import KeptAnswers
from resource_server.api.listing import QUERY, Listing, ids, ids_query
from resource_server.api.money import Money
from resource_server.api.operation import Doc, Operation, Query
from resource_server.api.permissions import Access
from resource_server.api.problems import Problem, not_found
from resource_server.edges.faces import APP
from resource_server.payments import book, documents, matrix
from resource_server.payments.allowance import Allowance
from resource_server.payments.desk import Desk, Wanted
from resource_server.payments.machine import Status
from resource_server.payments.models import Payment, Refund
from resource_server.platform.store import Row, Store
from resource_server.work.operations import Operations

READ = Needs(scopes=("payments:read",))
WRITE = Needs(scopes=("payments:write",), on_stale="deny")
"""Money does not move on a token of which nobody can tell whether it was revoked."""
REFUND = Needs(scopes=("payments:refund",), on_stale="deny")
_CREATE = "POST /v2/payments"
_LIST_QUERY = (
    *QUERY,
    Query("status", {"type": "string", "enum": [status.value for status in Status]}, "only those in this status"),
    Query("order", {"type": "string"}, "only those of this order"),
    ids_query("orders", "of these orders"),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the views of both versions work with."""

    store: Store
    desk: Desk
    operations: Operations
    kept: KeptAnswers
    acknowledged: Acknowledgements
    allowance: Allowance
    orders_client: str
    """What the orders service is known as."""


class PaymentsV2:
    """Payments, their steps, and the operations on them."""

    def __init__(self, tools: Tools, listing: Listing) -> None:
        self._tools = tools
        self._store = tools.store
        self._listing = listing

    def mounted(self) -> list[Operation]:
        create = replace(WRITE, details=self._tools.allowance.details)
        shown, acknowledged = documents.PaymentShown, OperationShown
        made: dict[int, Any] = {202: acknowledged, 201: shown}
        return [
            Operation(
                "POST",
                "/v2/payments",
                create,
                self.create,
                matrix.CREATE,
                key="required",
                doc=Doc(summary="Pay", answers=made, body=documents.NewPayment),
            ),
            Operation(
                "GET",
                "/v2/payments",
                READ,
                self.list,
                matrix.READ,
                doc=Doc(summary="List payments", answers={200: documents.PaymentPage}, query=_LIST_QUERY),
            ),
            Operation(
                "GET",
                "/v2/payments/<payment_id>",
                READ,
                self.show,
                matrix.READ,
                tagged="shown",
                doc=Doc(summary="Show a payment", answers={200: shown}),
            ),
            Operation(
                "GET",
                "/v2/payments/<payment_id>/transitions",
                READ,
                self.transitions,
                matrix.READ,
                doc=Doc(summary="List the steps of a payment", answers={200: documents.Transitions}),
            ),
            Operation(
                "GET",
                f"{OPERATIONS}/<operation_id>",
                READ,
                self.operation,
                matrix.READ,
                doc=Doc(summary="Follow an operation", answers={200: acknowledged}),
            ),
        ]

    def create(self, access: Access) -> Response:
        """A payment that the worker will make; its operation."""
        asked, document = bodies.read(documents.NewPayment)
        money = Money(asked.amount.value, asked.amount.currency)
        principal, tools, checkout = access.principal, self._tools, self._checkout(access.principal)
        tools.allowance.check(principal, money.value)
        use = idempotency.asked(principal, _CREATE, document)
        wanted = Wanted(
            money,
            owner=access.subject,
            client_id=principal.client_id if checkout is None else _app(principal),
            order=asked.order,
            method=asked.method,
            capture=asked.capture,
            checkout=checkout,
        )
        with self._store.change() as tx:
            first = tools.kept.first(tx, use)
            if first is None:
                payment = tools.desk.asked_before(tx, wanted) or self._made(tx, principal, wanted)
                answer = tools.acknowledged.answer(tx, payment.attempt)
                tools.kept.keep(tx, use, answer)
        return tools.acknowledged.response(first or answer, replayed=first is not None)

    def _checkout(self, principal: Principal) -> str | None:
        """The key of a checkout, when it is orders that ask: theirs whichever token they come with, so that it makes one payment."""
        by_orders = principal.actors[:1] == (self._tools.orders_client,)
        return request.headers[idempotency.HEADER] if by_orders else None

    def _made(self, tx: sa.Connection, principal: Principal, wanted: Wanted) -> Row:
        self._tools.allowance.use(tx, principal, wanted)
        return self._tools.desk.create(tx, wanted)

    def list(self, access: Access) -> Response:
        """Those within reach, the newest first."""
        filters = {name: request.args[name] for name in ("status", "order", "orders") if name in request.args}
        if "status" in filters and filters["status"] not in set(Status):
            raise Problem(400, "invalid_parameter", "status is one of the payment machine.")
        query = listed(access.owner, filters)
        part = self._listing.asked("/v2/payments", filters)
        with self._store.read() as tx:
            return jsonify(
                self._listing.shown(
                    tx,
                    query,
                    Payment.__table__.c.id,
                    part,
                    lambda rows: [documents.payment(row, masked=access.masked) for row in rows],
                )
            )

    def show(self, access: Access, payment_id: str) -> Response:
        with self._store.read() as tx:
            payment = within_reach(tx, access, payment_id)
        shown = jsonify(documents.payment(payment, masked=access.masked))
        return with_etag(shown, payment.id, payment.version, variant=b"masked" if access.masked else None)

    def transitions(self, access: Access, payment_id: str) -> Response:
        with self._store.read() as tx:
            payment = within_reach(tx, access, payment_id)
            steps = book.transitions(tx, payment.id)
        return jsonify({"items": [documents.transition(step, payment.currency) for step in steps]})

    def operation(self, access: Access, operation_id: str) -> Response:
        """How far it is; Retry-After while it runs."""
        return self._tools.acknowledged.follow(access, operation_id)


def _app(principal: Principal) -> str:
    """The app for which orders ask, which is told what becomes of it; themselves, where they do not say."""
    return request.headers.get(APP, principal.client_id)[:255]


def listed(owner: str | None, filters: Mapping[str, str]) -> sa.Select[Any]:
    """Payments of one owner, or with None everybody's, narrowed by these filters; each way has an index that is also in their order."""
    query: sa.Select[Any] = sa.select(*Payment.__table__.c)
    if owner is not None:
        query = query.where(Payment.owner == owner)
    if "status" in filters:
        query = query.where(Payment.status == filters["status"])
    if "order" in filters:
        query = query.where(Payment.order_id == filters["order"][:32])
    if "orders" in filters:
        query = query.where(Payment.order_id.in_(ids("orders", filters["orders"])))
    return query


def within_reach(tx: sa.Connection, access: Access, payment_id: str) -> Row:
    """The payment, when the caller reaches it; 404 else."""
    payment = book.find(tx, payment_id[:32])
    if payment is None:
        raise not_found()
    access.check(payment.owner)
    return payment


def refund_of(tx: sa.Connection, payment_id: str, refund_id: str) -> Row:
    """The refund of this payment; 404 where there is none."""
    query = sa.select(Refund.__table__).where(Refund.id == refund_id[:32], Refund.payment_id == payment_id)
    refund: Row | None = tx.execute(query).one_or_none()
    if refund is None:
        raise not_found()
    return refund
