"""Browser sessions: a random cookie whose digest is stored, a public `sid`, an idle and an absolute end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database
from idp.platform.ids import digest, new_secret
from idp.users.models import DeviceRow, SessionRow, UserRow
from idp.users.people import BrowserSession, SessionListener

_TOUCH_SECONDS = 60
_COLUMNS = (
    SessionRow.sid,
    SessionRow.sub,
    SessionRow.auth_time,
    SessionRow.acr,
    SessionRow.amr,
    SessionRow.seen_at,
    SessionRow.expires_at,
)
_INSERT = sa.insert(SessionRow)
_LIVING = (SessionRow.expires_at > sa.bindparam("now"), SessionRow.seen_at > sa.bindparam("seen_after"))
_ALIVE = sa.select(SessionRow.sid).where(SessionRow.sid == sa.bindparam("sid"), *_LIVING)
_BY_COOKIE = (
    sa.select(*_COLUMNS)
    .join(UserRow, UserRow.sub == SessionRow.sub)
    .where(SessionRow.digest == sa.bindparam("presented"), UserRow.disabled.is_(False), *_LIVING)
)


class Sessions:
    """Opens, finds and ends sessions. Listeners are told, in the same transaction, of every one that ends before its time."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        listeners: Sequence[SessionListener],
        *,
        idle_ttl: int,
        absolute_ttl: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._listeners = listeners
        self._idle_ttl = idle_ttl
        self._absolute_ttl = absolute_ttl

    def open(
        self,
        tx: sa.Connection,
        sub: str,
        *,
        acr: str,
        amr: tuple[str, ...],
        previous: str | None,
        peer: str,
        also: Callable[[BrowserSession], None] | None = None,
    ) -> str:
        """A new session for a person who just proved themselves; returns its cookie. `also` may write before the audit trail does.

        The cookie is always new. The same person logging in again keeps their `sid`, so apps of this session stay logged in;
        another person's session in this browser ends.
        """
        now, cookie = self._clock.now(), new_secret()
        old = self._row(tx, previous) if previous else None
        sid = old.sid if old is not None and old.sub == sub else new_secret()
        if old is not None:
            tx.execute(sa.delete(SessionRow).where(SessionRow.sid == old.sid))
            if old.sub != sub:
                self._told(tx, _session(old))
        session = BrowserSession(sid, sub, now, acr, amr, now + self._absolute_ttl)
        tx.execute(_INSERT, _values(session, cookie, now))
        if also is not None:
            also(session)
        self._audit.append(tx, "login", sub=sub, session=sid, acr=acr, amr=" ".join(amr), peer=peer)
        return cookie

    def find(self, cookie: str | None) -> BrowserSession | None:
        """The living session of this cookie; looking at it keeps it alive."""
        if not cookie:
            return None
        with self._database.read() as tx:
            row = self._row(tx, cookie)
        if row is None:
            return None
        now = self._clock.now()
        if row.seen_at + _TOUCH_SECONDS < now:
            with self._database.write() as tx:
                tx.execute(sa.update(SessionRow).where(SessionRow.sid == row.sid).values(seen_at=now))
        return _session(row)

    def alive(self, tx: sa.Connection, sid: str) -> bool:
        """Whether this session still lives, as this transaction sees it."""
        return tx.execute(_ALIVE, {"sid": sid, **self._living()}).scalar() is not None

    def end(self, sid: str) -> None:
        """Log out; what hangs on the session ends with it."""
        with self._database.write() as tx:
            self._end(tx, SessionRow.sid == sid)

    def end_all(self, tx: sa.Connection, sub: str) -> None:
        """Log a person out everywhere and forget their devices."""
        self._end(tx, SessionRow.sub == sub)
        tx.execute(sa.delete(DeviceRow).where(DeviceRow.sub == sub))

    def _end(self, tx: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
        gone = sa.delete(SessionRow).where(condition).returning(*_COLUMNS)
        for row in tx.execute(gone).all():
            self._told(tx, _session(row))

    def _told(self, tx: sa.Connection, session: BrowserSession) -> None:
        for listener in self._listeners:
            listener(tx, session)
        self._audit.append(tx, "logout", sub=session.sub, session=session.sid)

    def _row(self, tx: sa.Connection, cookie: str) -> AnyRow | None:
        return tx.execute(_BY_COOKIE, {"presented": digest(cookie), **self._living()}).one_or_none()

    def _living(self) -> dict[str, int]:
        now = self._clock.now()
        return {"now": now, "seen_after": now - self._idle_ttl}


def _values(session: BrowserSession, cookie: str, now: int) -> dict[str, Any]:
    return {
        "sid": session.sid,
        "digest": digest(cookie),
        "sub": session.sub,
        "auth_time": session.auth_time,
        "acr": session.acr,
        "amr": list(session.amr),
        "created_at": now,
        "seen_at": now,
        "expires_at": session.expires_at,
    }


def _session(row: AnyRow) -> BrowserSession:
    return BrowserSession(row.sid, row.sub, row.auth_time, row.acr, tuple(row.amr), row.expires_at)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Remove sessions past their end and devices unseen for half a year; returns how many."""
    over = sa.select(SessionRow.sid).where(SessionRow.expires_at < now).limit(limit)
    removed = tx.execute(sa.delete(SessionRow).where(SessionRow.sid.in_(over))).rowcount
    long_ago = DeviceRow.seen_at < now - 180 * 86400
    unseen = sa.select(DeviceRow.digest).where(long_ago).limit(limit)
    return removed + tx.execute(sa.delete(DeviceRow).where(DeviceRow.digest.in_(unseen), long_ago)).rowcount
