"""What another service asked for, given back: voided while it is authorized only, else refunded."""

from __future__ import annotations

from flask import Response, jsonify, request
from token_guard import ActorPolicy, Needs

from resource_server.api import bodies, idempotency
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access
from resource_server.api.problems import Problem, not_found
from resource_server.edges.faces import PaymentsFace, Refused, Unreachable
from resource_server.payments import documents, matrix
from resource_server.payments.documents import Nothing

REVERSE = Needs(scopes=("payments:reverse",), actors=ActorPolicy(required=True))
"""A scope that no issuer grants: services say it themselves, of what they asked for on behalf of somebody."""


class Reversals:
    """A noun under a payment, between our own services."""

    def __init__(self, answers: PaymentsFace) -> None:
        self._answers = answers

    def mounted(self) -> list[Operation]:
        doc = Doc(summary="Give back", answers={202: documents.PaymentShown}, body=Nothing)
        path = "/v2/payments/<payment_id>/reversals"
        return [
            Operation("POST", path, REVERSE, self.create, matrix.REVERSE, key="required", between=True, doc=doc),
        ]

    def create(self, access: Access, payment_id: str) -> Response:
        """Begin to give back what there is to give back, and show the payment as it is; 409 while it is being changed."""
        bodies.read(Nothing)
        key = request.headers[idempotency.HEADER]
        if len(key) > _LONGEST:
            raise Problem(400, "invalid_idempotency_key", f"A key has at most {_LONGEST} characters here.")
        try:
            payment = self._answers.give_back(payment_id, owner=access.subject, key=key)
        except Refused as error:
            raise not_found() from error
        except Unreachable as error:
            detail = "Another operation on this payment is under way."
            raise Problem(409, "operation_running", detail, headers={"Retry-After": "1"}) from error
        response = jsonify(payment.shown)
        response.status_code = 202
        return response


_LONGEST = 128
