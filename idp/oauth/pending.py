"""Authorization requests that wait for their person: bound to one browser, resumed by id, used once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth.models import AuthorizationRow
from idp.oauth.request import AuthorizationRequest, restored
from idp.platform.db import AnyRow, Database
from idp.platform.ids import digest, new_secret

_UNBOUND = ""
_INSERT = sa.insert(AuthorizationRow)
_OPEN = (
    AuthorizationRow.id == sa.bindparam("flow"),
    AuthorizationRow.used_at.is_(None),
    AuthorizationRow.expires_at > sa.bindparam("now"),
)
_MINE, _FREE = AuthorizationRow.browser == sa.bindparam("owner"), AuthorizationRow.browser == _UNBOUND
_FIND = sa.select(AuthorizationRow.__table__).where(*_OPEN, _MINE)
_FIND_OR_FREE = sa.select(AuthorizationRow.__table__).where(*_OPEN, sa.or_(_MINE, _FREE))
_USE = sa.update(AuthorizationRow).where(*_OPEN, _MINE).values(used_at=sa.bindparam("now"))
_BIND = sa.update(AuthorizationRow).where(*_OPEN, _FREE).values(browser=sa.bindparam("owner"))
_LOGGED_IN = (
    sa.update(AuthorizationRow)
    .where(AuthorizationRow.id == sa.bindparam("flow"))
    .values(logged_in_sid=sa.bindparam("sid"))
)
_ANSWERED = _LOGGED_IN.values(used_at=sa.func.coalesce(AuthorizationRow.used_at, sa.bindparam("now")))
_CHOSEN = (
    sa.update(AuthorizationRow)
    .where(AuthorizationRow.id == sa.bindparam("flow"))
    .values(chosen_sid=sa.bindparam("sid"))
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A waiting request, what happened for it so far, and when it came (epoch seconds).

    `chosen_sid` is the session that the person chose for it; empty when they want to choose.
    """

    id: str
    request: AuthorizationRequest
    logged_in_sid: str | None
    chosen_sid: str | None
    created_at: int


class PendingAuthorizations:
    """Keeps requests for `ttl` seconds. A browser proves itself by the secret in its flow cookie, whose digest is stored."""

    def __init__(self, database: Database, clock: Clock, *, ttl: int) -> None:
        self._database = database
        self._clock = clock
        self._ttl = ttl

    def save(self, request: AuthorizationRequest, browser: str | None) -> Pending:
        """Store a request; without a browser (a cross-site POST shows no cookies) the first that resumes it is it."""
        flow, now = new_secret(), self._clock.now()
        values = {
            "id": flow,
            "browser": _UNBOUND if browser is None else digest(browser),
            "client_id": request.client_id,
            "request": request.document(),
            "created_at": now,
            "expires_at": now + self._ttl,
        }
        with self._database.write(durable=False) as tx:
            tx.execute(_INSERT, values)
        return Pending(flow, request, None, None, now)

    def find(self, flow: str, browser: str | None) -> Pending | None:
        """The waiting request of this browser."""
        row = None if browser is None else self._row(_FIND, flow, browser)
        return None if row is None else _pending(row)

    def claim(self, flow: str, browser: str) -> Pending | None:
        """The same; a request that no browser has yet is this one's from here on."""
        row = self._row(_FIND_OR_FREE, flow, browser)
        if row is None or row.browser != _UNBOUND:
            return None if row is None else _pending(row)
        with self._database.write(durable=False) as tx:
            tx.execute(_BIND, self._waiting(flow, browser))
        return self.find(flow, browser)

    def _row(self, query: sa.Select[Any], flow: str, browser: str) -> AnyRow | None:
        with self._database.read() as tx:
            return tx.execute(query, self._waiting(flow, browser)).one_or_none()

    @staticmethod
    def logged_in(tx: sa.Connection, flow: str, sid: str) -> None:
        """A person has just logged in for this request."""
        tx.execute(_LOGGED_IN, {"flow": flow, "sid": sid})

    def answered(self, tx: sa.Connection, flow: str, sid: str) -> None:
        """The same, and the wait ends. It may have ended since this login began: of a click that came twice browsers show the second answer."""
        tx.execute(_ANSWERED, {"flow": flow, "sid": sid, "now": self._clock.now()})

    @staticmethod
    def chosen(tx: sa.Connection, flow: str, sid: str) -> None:
        """A person has just chosen this account for this request, or wants to choose, when it is empty."""
        tx.execute(_CHOSEN, {"flow": flow, "sid": sid})

    def use(self, tx: sa.Connection, flow: str, browser: str) -> bool:
        """End the wait; of two clicks at once one is told so."""
        return tx.execute(_USE, self._waiting(flow, browser)).rowcount == 1

    def _waiting(self, flow: str, browser: str) -> dict[str, str | int]:
        return {"flow": flow, "owner": digest(browser), "now": self._clock.now()}


def _pending(row: AnyRow) -> Pending:
    return Pending(row.id, restored(row.request), row.logged_in_sid, row.chosen_sid, row.created_at)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget requests nobody finished; returns how many."""
    over = sa.select(AuthorizationRow.id).where(AuthorizationRow.expires_at < now).limit(limit)
    return tx.execute(sa.delete(AuthorizationRow).where(AuthorizationRow.id.in_(over))).rowcount
