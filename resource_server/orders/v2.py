"""v2 of the orders API: drafts that are made, read and amended."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Response, jsonify, request
from token_guard import Needs

from resource_server.api import bodies, idempotency
from resource_server.api.conditional import check_match, with_etag
from resource_server.api.idempotency import Answer, KeptAnswers
from resource_server.api.listing import QUERY, Listing
from resource_server.api.operation import Doc, Operation, Query
from resource_server.api.permissions import Access
from resource_server.api.problems import Problem, not_found
from resource_server.orders import book, documents, matrix
from resource_server.orders.book import Book, Changed
from resource_server.orders.expanding import CUSTOMER, PAYER, PAYMENTS, Expanding, variant
from resource_server.orders.machine import Status
from resource_server.orders.models import Order
from resource_server.platform.store import Row, Store

READ, WRITE = Needs(scopes=("orders:read",)), Needs(scopes=("orders:write",))
ORDER = "/v2/orders/<order_id>"
_EXPAND = Query(
    "expand",
    {"type": "string", "enum": [PAYMENTS, CUSTOMER, PAYER, f"{PAYMENTS},{CUSTOMER}", f"{PAYER},{CUSTOMER}"]},
    "show its payments too, with payments:read, and whose it is and, a level below, they are, with users:read",
)
_LIST_QUERY = (
    *QUERY,
    Query("status", {"type": "string", "enum": [status.value for status in Status]}, "only those in this status"),
    _EXPAND,
)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the views of both versions work with."""

    store: Store
    book: Book
    kept: KeptAnswers


class OrdersV2:
    """Orders and their steps."""

    def __init__(self, tools: Tools, listing: Listing, expanding: Expanding) -> None:
        self._tools = tools
        self._expanding = expanding
        self._store = tools.store
        self._listing = listing

    def mounted(self) -> list[Operation]:
        shown = documents.OrderShown
        return [
            Operation(
                "POST",
                "/v2/orders",
                WRITE,
                self.create,
                matrix.CREATE,
                key="required",
                doc=Doc(summary="Place an order, as a draft", answers={201: shown}, body=documents.NewOrder),
            ),
            Operation(
                "GET",
                "/v2/orders",
                READ,
                self.list,
                matrix.READ,
                doc=Doc(
                    summary="List orders",
                    answers={200: documents.OrderPage},
                    query=_LIST_QUERY,
                    problems=("unavailable",),
                ),
            ),
            Operation(
                "GET",
                ORDER,
                READ,
                self.show,
                matrix.READ,
                tagged="shown",
                doc=Doc(summary="Show an order", answers={200: shown}, query=(_EXPAND,), problems=("unavailable",)),
            ),
            Operation(
                "PATCH",
                ORDER,
                WRITE,
                self.amend,
                matrix.CHANGE,
                tagged="match",
                doc=Doc(
                    summary="Change a draft",
                    answers={200: shown},
                    body=documents.OrderPatch,
                    problems=("illegal_step",),
                ),
            ),
            Operation(
                "GET",
                f"{ORDER}/transitions",
                READ,
                self.transitions,
                matrix.READ,
                doc=Doc(summary="List the steps of an order", answers={200: documents.Transitions}),
            ),
        ]

    def create(self, access: Access) -> Response:
        """A draft with its computed total."""
        asked, document = bodies.read(documents.NewOrder)
        content = documents.content([line.model_dump() for line in asked.lines], asked.currency)
        use, kept = idempotency.asked(access.principal, "POST /v2/orders", document), self._tools.kept
        with self._store.change() as tx:
            first = kept.first(tx, use)
            if first is None:
                order = self._tools.book.add(tx, access.subject, access.principal.client_id, content)
                answer = _created(order)
                kept.keep(tx, use, answer)
        return (first or answer).response(replayed=first is not None)

    def list(self, access: Access) -> Response:
        """Those within reach, the newest first."""
        wanted = self._expanding.asked(access, PAYMENTS, CUSTOMER, PAYER)
        filters = {name: request.args[name] for name in ("status",) if name in request.args}
        query = sa.select(*Order.__table__.c)
        if access.owner is not None:
            query = query.where(Order.owner == access.owner)
        if "status" in filters:
            if filters["status"] not in set(Status):
                raise Problem(400, "invalid_parameter", "status is one of the order machine.")
            query = query.where(Order.status == filters["status"])
        part = self._listing.asked("/v2/orders", filters)
        with self._store.read() as tx:
            found = self._listing.found(tx, query, Order.__table__.c.id, part)
        extensions = self._expanding.expanded(access, found.rows, wanted)
        return jsonify(
            found.page([{**documents.order(row), **more} for row, more in zip(found.rows, extensions, strict=True)])
        )

    def show(self, access: Access, order_id: str) -> Response:
        wanted = self._expanding.asked(access, PAYMENTS, CUSTOMER, PAYER)
        with self._store.read() as tx:
            order = within_reach(tx, access, order_id)
        if not wanted:
            return with_etag(jsonify(documents.order(order)), order.id, order.version)
        (more,) = self._expanding.expanded(access, [order], wanted)
        shown = jsonify({**documents.order(order), **more})
        return with_etag(shown, order.id, order.version, variant=variant(more))

    def amend(self, access: Access, order_id: str) -> Response:
        """Other lines for a draft that is as the caller saw it."""
        asked = bodies.read_patch(documents.OrderPatch)
        with self._store.change() as tx:
            order = within_reach(tx, access, order_id)
            check_match(order.id, order.version)
            if order.status != Status.DRAFT:
                raise Problem(409, "illegal_step", f"An order that is {order.status} is not changed.")
            content = documents.content([line.model_dump() for line in asked.lines], order.currency)
            try:
                order = self._tools.book.amend(tx, order, content)
            except Changed as error:
                raise changed() from error
        return with_etag(jsonify(documents.order(order)), order.id, order.version)

    def transitions(self, access: Access, order_id: str) -> Response:
        with self._store.read() as tx:
            order = within_reach(tx, access, order_id)
            steps = book.transitions(tx, order.id)
        return jsonify({"items": [documents.transition(step) for step in steps]})


def within_reach(tx: sa.Connection, access: Access, order_id: str) -> Row:
    """The order, when the caller reaches it; 404 else."""
    order = book.find(tx, order_id[:32])
    if order is None:
        raise not_found()
    access.check(order.owner)
    return order


def changed() -> Problem:
    """412 for who decided on what is not so any more."""
    return Problem(412, "precondition_failed", "It was changed meanwhile; read it again.")


def _created(order: Row) -> Answer:
    headers = {"Location": f"/v2/orders/{order.id}", "ETag": f'"{order.id}.{order.version}"'}
    return Answer(201, documents.order(order), headers)
