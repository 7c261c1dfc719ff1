"""Answers to what is done later: 202 with the operation to follow, or 201 with the result when the caller waits and it comes in time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Response

from resource_server.api import preferences
from resource_server.api.idempotency import Answer
from resource_server.payments import book, documents
from resource_server.payments.models import OperationRow
from resource_server.platform.store import Row, Store
from resource_server.work import operations
from resource_server.work.operations import Operations

OPERATIONS = "/v2/operations"
_RETRY_AFTER = "1"


class Acknowledgements:
    """Makes the answers of one service."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self._store = store
        self._operations = operations

    def answer(self, tx: sa.Connection, operation: str, **more: str) -> Answer:
        """The 202, from within the transaction that made the operation."""
        row = tx.execute(sa.select(OperationRow.__table__).where(OperationRow.id == operation)).one()
        headers = {"Location": f"{OPERATIONS}/{operation}", "Retry-After": _RETRY_AFTER}
        return Answer(202, {**documents.operation(row), **more}, headers)

    def response(self, answer: Answer, *, replayed: bool) -> Response:
        """The 202; or, when the caller would rather wait and the work ends in time, 201 with what it made (RFC 7240 §4.3)."""
        seconds = preferences.wait()
        if not seconds:
            return answer.response(replayed=replayed)
        seen = self.wait(str(answer.body["id"]), seconds)
        shown = self._made(seen) if seen is not None and seen.state in operations.OVER else answer
        return preferences.applied(shown.response(replayed=replayed), seconds)

    def wait(self, operation: str, seconds: float) -> Row | None:
        """The operation once it is over, or as it is when the time is."""
        return preferences.until(
            lambda: self._operations.find(operation),
            lambda seen: seen is None or seen.state in operations.OVER,
            seconds=seconds,
        )

    def _made(self, operation: Row) -> Answer:
        with self._store.read() as tx:
            payment = book.find(tx, operation.resource.rpartition("/")[2])
        shown: dict[str, Any] = {} if payment is None else documents.payment(payment)
        return Answer(201, shown, {"Location": operation.resource})
