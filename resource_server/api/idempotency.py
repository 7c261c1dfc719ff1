"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a repeat gets the first one's answer and makes nothing.

Whoever does what was asked calls `first` and `keep` in the transaction of it: all of that is kept, or nothing. A twin waits for the commit, and
for no longer than for any lock: then it is told to come back. Nothing is kept of a request that was refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785
import sqlalchemy as sa
from flask import Response, request
from sqlalchemy.exc import OperationalError
from token_guard import Principal

from resource_server.api.problems import Problem
from resource_server.platform.secret import Secret, Unsealable
from resource_server.platform.store import Store, insert_or_ignore
from resource_server.platform.tables import KeptAnswerColumns

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
KEEP = 30 * 86400
_MAX_KEY = 255
_PURPOSE = "kept answer"
_LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's code for a lock that was waited for in vain."""
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a key: `scope` says whose it is and for which operation, `fingerprint` what was asked. Both are digests."""

    scope: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, now and to every repeat."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    def response(self, *, replayed: bool = False) -> Response:
        """As HTTP."""
        response = Response(json.dumps(self.body), self.status, content_type="application/json")
        response.headers.update(self.headers)
        if replayed:
            response.headers[REPLAYED] = "true"
        return response


def asked(principal: Principal, operation: str, document: Mapping[str, Any]) -> Use | None:
    """How the request uses its key, `operation` being method and path template; None without one. Raises 400."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= _MAX_KEY or not key.isascii() or not key.isprintable():
        raise Problem(400, "invalid_idempotency_key", f"An {HEADER} has 1 to {_MAX_KEY} printable characters.")
    return Use(
        _digest(principal.issuer, principal.client_id, principal.subject, operation, key),
        _digest(operation, request.mimetype, _canonical(document)),
    )


class KeptAnswers:
    """The keys of one service, in a table of its own."""

    def __init__(
        self,
        store: Store,
        table: type[KeptAnswerColumns],
        secret: Secret,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._table: Any = table
        self._secret = secret
        self._now = now

    def first(self, tx: sa.Connection, use: Use | None) -> Answer | None:
        """None when this use is the first, in the transaction of what it makes; else the answer to repeat. Raises 409 and 422."""
        if use is None or self._is_new(tx, use):
            return None
        table = self._table
        used = tx.execute(sa.select(table.fingerprint, table.answer).where(table.scope == use.scope)).one()
        if used.fingerprint != use.fingerprint:
            raise Problem(422, "idempotency_key_reused", f"This {HEADER} was used for another request.")
        return self._unsealed(use, used.answer)

    def knows(self, use: Use) -> bool:
        """Whether an answer is kept for this use; what decides is still `first`."""
        with self._store.read() as tx:
            return bool(tx.execute(sa.select(sa.exists().where(self._table.scope == use.scope))).scalar_one())

    def keep(self, tx: sa.Connection, use: Use | None, answer: Answer) -> None:
        """Keep the answer, in the transaction that makes it true."""
        if use is not None:
            sealed = self._sealed(use, answer)
            tx.execute(sa.update(self._table).where(self._table.scope == use.scope).values(answer=sealed))

    def prune(self) -> int:
        """Forget all that is older than 30 days, a batch in each transaction; returns how many."""
        forgotten = batch = self._prune_batch()
        while batch == _BATCH:
            batch = self._prune_batch()
            forgotten += batch
        return forgotten

    def _prune_batch(self) -> int:
        table = self._table
        old = sa.select(table.scope).where(table.created_at < int(self._now()) - KEEP).limit(_BATCH)
        with self._store.change() as tx:
            return int(tx.execute(sa.delete(table).where(table.scope.in_(old))).rowcount)

    def _is_new(self, tx: sa.Connection, use: Use) -> bool:
        """Take the key, once who else is taking it is done; raises 409 when that lasts."""
        values = {"scope": use.scope, "fingerprint": use.fingerprint, "created_at": int(self._now())}
        try:
            return insert_or_ignore(tx, self._table, values)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            detail = f"A request with this {HEADER} is running."
            raise Problem(409, "request_in_progress", detail, headers={"Retry-After": "1"}) from error

    def _sealed(self, use: Use, answer: Answer) -> bytes:
        text = json.dumps([answer.status, answer.body, dict(answer.headers)], separators=(",", ":"))
        return self._secret.seal(_PURPOSE, text.encode(), bound_to=use.scope)

    def _unsealed(self, use: Use, sealed: bytes) -> Answer:
        try:
            status, body, headers = json.loads(self._secret.unseal(_PURPOSE, bytes(sealed), bound_to=use.scope))
        except Unsealable as error:
            detail = f"This {HEADER} was used, and its answer cannot be read any more."
            raise Problem(422, "idempotency_key_reused", detail) from error
        return Answer(status, body, headers)


def _canonical(document: Mapping[str, Any]) -> str:
    """RFC 8785, so that order and spacing make no difference; the digest keeps values apart that only look alike."""
    try:
        return rfc8785.dumps(dict(document)).decode()
    except rfc8785.CanonicalizationError:  # numbers beyond its range: no two of them are told apart by their order
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _digest(*parts: str) -> str:
    joined = b"\n".join(base64.b64encode(part.encode("utf-8", "surrogatepass")) for part in parts)
    return hashlib.sha256(joined).hexdigest()
