"""Answers to what is done later: 202 with the operation to follow, or 201 with the result when the caller waits and it comes in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import sqlalchemy as sa
from flask import Response, jsonify
from pydantic import BaseModel

from resource_server.api import preferences, times
from resource_server.api.idempotency import Answer
from resource_server.api.permissions import Access
from resource_server.api.problems import not_found
from resource_server.platform.store import Row, Store
from resource_server.work import operations
from resource_server.work.operations import Operations
from resource_server.work.tables import OperationColumns

OPERATIONS = "/v2/operations"
_RETRY_AFTER = "1"
Made = Callable[[sa.Connection, str], Mapping[str, Any]]
"""(tx, id): the resource of an operation as it is shown."""


class OperationShown(BaseModel):
    """What follows a 202. `done` once it is over; then `error` is a problem, or null."""

    id: str
    kind: str
    status: Literal["running", "awaiting_approval", "succeeded", "failed"]
    done: bool
    resource: str
    refund: str | None = None
    error: dict[str, Any] | None
    created_at: str
    finished_at: str | None


class Acknowledgements:
    """Makes the answers of one service."""

    def __init__(self, store: Store, table: type[OperationColumns], operations: Operations, made: Made) -> None:
        self._store = store
        self._table: Any = table
        self._operations = operations
        self._made = made

    def answer(self, tx: sa.Connection, operation: str, **more: str) -> Answer:
        """The 202, from within the transaction that made the operation."""
        row = tx.execute(sa.select(self._table.__table__).where(self._table.id == operation)).one()
        headers = {"Location": f"{OPERATIONS}/{operation}", "Retry-After": _RETRY_AFTER}
        return Answer(202, {**document(row), **more}, headers)

    def response(self, answer: Answer, *, replayed: bool) -> Response:
        """The 202; or, when the caller would rather wait and the work ends in time, 201 with what it made (RFC 7240 §4.3)."""
        seconds = preferences.wait()
        if not seconds:
            return answer.response(replayed=replayed)
        seen = self.wait(str(answer.body["id"]), seconds)
        shown = self._result(seen) if seen is not None and seen.state in operations.OVER else answer
        return preferences.applied(shown.response(replayed=replayed), seconds)

    def wait(self, operation: str, seconds: float) -> Row | None:
        """The operation once it is over, or as it is when the time is."""
        return preferences.until(
            lambda: self._operations.find(operation),
            lambda seen: seen is None or seen.state in operations.OVER,
            seconds=seconds,
        )

    def follow(self, access: Access, operation: str) -> Response:
        """How far an operation is; Retry-After while it runs. 404 for who does not reach it."""
        found = self._operations.find(operation[:40])
        if found is None:
            raise not_found()
        access.check(found.owner)
        response = jsonify(document(found))
        if found.state not in operations.OVER:
            response.headers["Retry-After"] = _RETRY_AFTER
        return response

    def _result(self, operation: Row) -> Answer:
        with self._store.read() as tx:
            shown = self._made(tx, operation.resource.rpartition("/")[2])
        return Answer(201, shown, {"Location": operation.resource})


def document(row: Row) -> dict[str, Any]:
    """An operation as it is shown."""
    return {
        "id": row.id,
        "kind": row.kind,
        "status": row.state,
        "done": row.state in operations.OVER,
        "resource": row.resource,
        "error": row.error,
        "created_at": times.shown(int(row.created_at)),
        "finished_at": None if row.finished_at is None else times.shown(int(row.finished_at)),
    }
