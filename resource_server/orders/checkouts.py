"""v2: checkouts and cancellations of orders. Each is acknowledged, and done later."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import sqlalchemy as sa
from flask import Response, jsonify, request
from pydantic import Field
from token_guard import DetailsNeed, Needs
from token_guard.details import find_detail, use_detail, used_as

from resource_server.api import bodies, idempotency
from resource_server.api.acknowledged import OPERATIONS, Acknowledgements, OperationShown
from resource_server.api.allowed import Uses, of_sum
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.api.problems import Problem
from resource_server.api.step_up import StepUp
from resource_server.edges.faces import PaymentWanted, Refused, Unreachable
from resource_server.edges.joined import Edges
from resource_server.orders import documents, matrix
from resource_server.orders.desk import Desk, expect_payable
from resource_server.orders.models import CheckoutRow, UsedOnce
from resource_server.orders.saga import Saga
from resource_server.orders.v2 import ORDER, READ, WRITE, Tools, changed, within_reach
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row

PAY = Needs(scopes=("orders:write", "payments:write"), on_stale="deny")
"""Money does not move on a token of which nobody can tell whether it was revoked."""
_PROBLEMS = ("illegal_step", "precondition_failed")
_PAY_PROBLEMS = (*_PROBLEMS, "insufficient_authorization_details", "insufficient_user_authentication")
PREFIX = "oop"
"""What the ids of orders' operations begin with: payments answer under the same path."""


class NewCheckout(bodies.Strict):
    """How an order is paid. `method` is a token of the payment provider, never card data."""

    method: Annotated[str, Field(pattern=r"^pm_[A-Za-z0-9_]{1,60}$")] = "pm_card"


class Nothing(bodies.Strict):
    """An empty object."""


@dataclass(frozen=True, slots=True)
class Till:
    """What checkouts need beside the views' tools."""

    desk: Desk
    saga: Saga
    edges: Edges
    acknowledged: Acknowledgements
    step_up: StepUp
    details: DetailsNeed


class Checkouts:
    """Nouns under an order, and the operations on it."""

    def __init__(self, tools: Tools, till: Till) -> None:
        self._tools = tools
        self._till = till

    def mounted(self) -> list[Operation]:
        made: dict[int, Any] = {202: OperationShown, 201: documents.OrderShown}
        checkout = Doc(summary="Check out", answers=made, body=NewCheckout, problems=_PAY_PROBLEMS)
        cancel = Doc(summary="Call off", answers=made, body=Nothing, problems=_PROBLEMS)
        follow = Doc(summary="Follow an operation", answers={200: OperationShown})
        listed = Doc(summary="List the checkouts of an order", answers={200: documents.Checkouts})
        pay = replace(PAY, details=self._till.details)
        one = f"{OPERATIONS}/<prefixed({PREFIX}):operation_id>"
        return [
            Operation("POST", f"{ORDER}/checkouts", pay, self.create, matrix.CHECKOUT, key="required", doc=checkout),
            Operation("GET", f"{ORDER}/checkouts", READ, self.list, matrix.READ, doc=listed),
            Operation("POST", f"{ORDER}/cancellations", WRITE, self.cancel, matrix.CANCEL, key="required", doc=cancel),
            Operation("GET", one, READ, self.operation, matrix.READ, doc=follow),
        ]

    def create(self, access: Access, order_id: str) -> Response:
        """Have an order paid by whom it belongs to: nothing is begun before it is sure that they may."""
        asked, document = bodies.read(NewCheckout)
        with self._tools.store.read() as tx:
            seen = within_reach(tx, access, order_id)
        wanted = self._till.saga.wanted(new_id("chk"), seen, asked.method)
        if self._is_new(access, seen, document):
            expect_payable(seen)
            wanted = self._in_detail(access, wanted)
            self._allow(access, wanted)

        def do(tx: sa.Connection) -> str:
            order = within_reach(tx, access, order_id)
            if order.version != seen.version:
                raise changed()
            self._use(tx, access, wanted)
            client, key = access.principal.client_id, wanted.key
            check_out = self._till.desk.check_out
            return check_out(tx, order, key=key, method=asked.method, client_id=client, allowed=wanted.allowed)

        return self._answer(access, f"POST /v2/orders/{seen.id}/checkouts", document, do)

    def list(self, access: Access, order_id: str) -> Response:
        with self._tools.store.read() as tx:
            order = within_reach(tx, access, order_id)
            query = sa.select(CheckoutRow.__table__).where(CheckoutRow.order_id == order.id).order_by(CheckoutRow.id)
            rows = tx.execute(query).all()
        return jsonify({"items": [documents.checkout(row) for row in rows]})

    def cancel(self, access: Access, order_id: str) -> Response:
        """Call an order off; what it costs is given back."""
        _, document = bodies.read(Nothing)

        def do(tx: sa.Connection) -> str:
            order = within_reach(tx, access, order_id)
            client = access.principal.client_id
            return self._till.desk.cancel(tx, order, actor=access.subject, client_id=client)

        return self._answer(access, f"POST /v2/orders/{order_id}/cancellations", document, do)

    def operation(self, access: Access, operation_id: str) -> Response:
        return self._till.acknowledged.follow(access, operation_id)

    def _is_new(self, access: Access, order: Row, document: dict[str, Any]) -> bool:
        """Whether nothing is kept under the key: a repeat needs no leave again, it does nothing."""
        use = idempotency.asked(access.principal, f"POST /v2/orders/{order.id}/checkouts", document)
        return use is None or not self._tools.kept.knows(use)

    def _in_detail(self, access: Access, wanted: PaymentWanted) -> PaymentWanted:
        """With what allows it, where the token allows payments in detail only; raises `GuardError` where none of that is this one."""
        need = self._need(wanted)
        detail = find_detail(principal=access.principal, need=need)
        if detail is None:
            return wanted
        allowed = used_as(principal=access.principal, need=need, detail=detail)
        return replace(wanted, detail=detail, allowed=allowed)

    def _use(self, tx: sa.Connection, access: Access, wanted: PaymentWanted) -> None:
        """Use it up here too: who tries twice hears so at once."""
        if wanted.allowed is not None:
            uses = Uses(tx, UsedOnce)
            use_detail(principal=access.principal, need=self._need(wanted), store=uses, now=time.time())

    def _need(self, wanted: PaymentWanted) -> DetailsNeed:
        amount = {"value": wanted.value, "currency": wanted.currency}
        return of_sum(self._till.details, amount, wanted.order)

    def _allow(self, access: Access, wanted: PaymentWanted) -> None:
        """Whether this person may pay this sum, by their login and by the issuer; raises what the caller is to be told."""
        self._till.step_up.check(access.principal, wanted.value)
        try:
            self._till.edges.payments.authorize(wanted, request.headers["Authorization"].partition(" ")[2])
        except Refused as error:
            raise Problem(403, "access_denied", "The issuer does not let us pay for you.") from error
        except Unreachable as error:
            detail = "The issuer cannot be asked now whether this may be paid."
            raise Problem(503, "unavailable", detail, headers={"Retry-After": "2"}) from error

    def _answer(
        self, access: Access, operation: str, document: dict[str, Any], do: Callable[[sa.Connection], str]
    ) -> Response:
        kept, use = self._tools.kept, idempotency.asked(access.principal, operation, document)
        with self._tools.store.change() as tx:
            first = kept.first(tx, use)
            if first is None:
                answer = self._till.acknowledged.answer(tx, do(tx))
                kept.keep(tx, use, answer)
        return self._till.acknowledged.response(first or answer, replayed=first is not None)
