"""v2: captures, cancellations and refunds of payments, and what a second person decides about refunds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Response, jsonify
from token_guard import Needs

from resource_server.api import bodies, idempotency
from resource_server.api.acknowledged import OperationShown
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access, Cells
from resource_server.api.problems import Problem
from resource_server.payments import documents, matrix
from resource_server.payments.documents import Nothing, Part
from resource_server.payments.models import Refund
from resource_server.payments.v2 import READ, REFUND, WRITE, Tools, refund_of, within_reach
from resource_server.platform.store import Row

_Do = Callable[[sa.Connection], tuple[str, dict[str, str]]]
"""Makes an operation and returns its id, and what is shown beside it."""


@dataclass(frozen=True, slots=True)
class RefundLimits:
    """In minor units: how much support refunds; from where on what finance refunds needs a second person, 0 for never."""

    support: int
    approval_from: int

    def approved(self, access: Access, value: int) -> bool:
        """Whether this caller may refund so much alone; raises 403 for more than they may ask for."""
        roles = access.principal.roles
        if "admin" in roles:
            return True
        if "finance" in roles:
            return not 0 < self.approval_from <= value
        if value > self.support:
            raise Problem(403, "refund_limit", f"Support refunds at most {self.support}.")
        return True


class Changes:
    """Nouns under a payment; each is acknowledged and done later."""

    def __init__(self, tools: Tools, limits: RefundLimits) -> None:
        self._tools = tools
        self._limits = limits

    def mounted(self) -> list[Operation]:
        of = "/v2/payments/<payment_id>"
        refund = f"{of}/refunds/<refund_id>"
        shown = Doc(summary="List the refunds of a payment", answers={200: documents.Refunds})
        return [
            _post(f"{of}/captures", WRITE, self.capture, matrix.CAPTURE, Part, "Capture"),
            _post(f"{of}/cancellations", WRITE, self.cancel, matrix.CANCEL, Nothing, "Cancel"),
            _post(f"{of}/refunds", REFUND, self.refund, matrix.REFUND, Part, "Refund"),
            _post(f"{refund}/approvals", REFUND, self.approve, matrix.DECIDE, Nothing, "Approve a refund"),
            _post(f"{refund}/rejections", REFUND, self.reject, matrix.DECIDE, Nothing, "Reject a refund"),
            Operation("GET", f"{of}/refunds", READ, self.refunds, matrix.READ, doc=shown),
        ]

    def capture(self, access: Access, payment_id: str) -> Response:
        def do(tx: sa.Connection, value: int | None, payment: Row) -> tuple[str, dict[str, str]]:
            client = access.principal.client_id
            return self._tools.desk.capture(tx, payment, value, access.subject, client), {}

        return self._part(access, "captures", payment_id, do)

    def cancel(self, access: Access, payment_id: str) -> Response:
        _, document = bodies.read(Nothing)

        def do(tx: sa.Connection) -> tuple[str, dict[str, str]]:
            payment = within_reach(tx, access, payment_id)
            return self._tools.desk.cancel(tx, payment, access.subject, access.principal.client_id), {}

        return self._answer(access, f"POST /v2/payments/{payment_id}/cancellations", document, do)

    def refund(self, access: Access, payment_id: str) -> Response:
        """Give money back; above a limit once a second person approves."""

        def do(tx: sa.Connection, value: int | None, payment: Row) -> tuple[str, dict[str, str]]:
            given = payment.captured_value - payment.refunded_value if value is None else value
            self._tools.allowance.check(access.principal, given)
            approved = self._limits.approved(access, given)
            client = access.principal.client_id
            refund, operation = self._tools.desk.refund(tx, payment, value, access.subject, client, approved=approved)
            return operation, {"refund": refund}

        return self._part(access, "refunds", payment_id, do)

    def approve(self, access: Access, payment_id: str, refund_id: str) -> Response:
        def do(tx: sa.Connection) -> tuple[str, dict[str, str]]:
            refund = self._refund(tx, access, payment_id, refund_id)
            self._tools.allowance.check(access.principal, refund.value)
            self._tools.desk.approve(tx, refund, access.subject)
            return refund.operation_id, {"refund": refund.id}

        return self._decide(access, f"{payment_id}/refunds/{refund_id}/approvals", do)

    def reject(self, access: Access, payment_id: str, refund_id: str) -> Response:
        def do(tx: sa.Connection) -> tuple[str, dict[str, str]]:
            refund = self._refund(tx, access, payment_id, refund_id)
            self._tools.desk.reject(tx, refund)
            return refund.operation_id, {"refund": refund.id}

        return self._decide(access, f"{payment_id}/refunds/{refund_id}/rejections", do)

    def refunds(self, access: Access, payment_id: str) -> Response:
        with self._tools.store.read() as tx:
            payment = within_reach(tx, access, payment_id)
            query = sa.select(Refund.__table__).where(Refund.payment_id == payment.id).order_by(Refund.id)
            rows = tx.execute(query).all()
        return jsonify({"items": [documents.refund(row, payment.currency) for row in rows]})

    def _refund(self, tx: sa.Connection, access: Access, payment_id: str, refund_id: str) -> Row:
        payment = within_reach(tx, access, payment_id)
        return refund_of(tx, payment.id, refund_id)

    def _decide(self, access: Access, path: str, do: _Do) -> Response:
        _, document = bodies.read(Nothing)
        return self._answer(access, f"POST /v2/payments/{path}", document, do)

    def _part(
        self,
        access: Access,
        noun: str,
        payment_id: str,
        do: Callable[[sa.Connection, int | None, Row], tuple[str, dict[str, str]]],
    ) -> Response:
        asked, document = bodies.read(Part)

        def part(tx: sa.Connection) -> tuple[str, dict[str, str]]:
            payment = within_reach(tx, access, payment_id)
            if asked.amount is not None and asked.amount.currency != payment.currency:
                found = [{"pointer": "/amount/currency", "detail": f"the payment is in {payment.currency}"}]
                raise Problem(422, "invalid", "The amount does not fit.", errors=found)
            return do(tx, asked.amount.value if asked.amount else None, payment)

        return self._answer(access, f"POST /v2/payments/{payment_id}/{noun}", document, part)

    def _answer(self, access: Access, operation: str, document: dict[str, Any], do: _Do) -> Response:
        tools, use = self._tools, idempotency.asked(access.principal, operation, document)
        with tools.store.change() as tx:
            first = tools.kept.first(tx, use)
            if first is None:
                identifier, more = do(tx)
                answer = tools.acknowledged.answer(tx, identifier, **more)
                tools.kept.keep(tx, use, answer)
        return tools.acknowledged.response(first or answer, replayed=first is not None)


def _post(
    path: str, needs: Needs, view: Callable[..., Response], cells: Cells, body: type[bodies.Strict], summary: str
) -> Operation:
    answers: dict[int, Any] = {202: OperationShown, 201: documents.PaymentShown}
    doc = Doc(summary=summary, answers=answers, body=body, problems=("illegal_step", "operation_running"))
    return Operation("POST", path, needs, view, cells, key="required", doc=doc)
