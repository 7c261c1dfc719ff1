"""Browser sessions: a random cookie whose digest is stored, a public `sid`, an idle and an absolute end, and who takes part in them.

A session that merely runs out tells nobody. Its row stays until the absolute end, so a logout or a login after a pause still reaches them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database, insert_or_ignore
from idp.platform.ids import digest, new_secret
from idp.users.models import DeviceRow, SessionPartyRow, SessionRow, UserRow
from idp.users.people import BrowserSession, OpenSession, Party, SessionEnded, SessionListener, Visitor

_TOUCH_SECONDS = 60
_COLUMNS = (
    SessionRow.sid,
    SessionRow.sub,
    SessionRow.auth_time,
    SessionRow.acr,
    SessionRow.amr,
    SessionRow.created_at,
    SessionRow.seen_at,
    SessionRow.expires_at,
)
_OPEN = (
    sa.select(
        SessionRow.sid,
        SessionRow.acr,
        SessionRow.created_at,
        SessionRow.seen_at,
        SessionRow.expires_at,
        SessionRow.peer,
        SessionRow.agent,
    )
    .where(SessionRow.sub == sa.bindparam("sub"))
    .order_by(SessionRow.seen_at.desc(), SessionRow.sid)
)
_INSERT = sa.insert(SessionRow)
_LIVING = (SessionRow.expires_at > sa.bindparam("now"), SessionRow.seen_at > sa.bindparam("seen_after"))
_ALIVE = sa.select(SessionRow.sid).where(SessionRow.sid == sa.bindparam("sid"), *_LIVING)
_HOLD = _ALIVE.with_for_update(read=True, key_share=True)
_LOCK_ALL = (
    sa.select(SessionRow.sid).where(SessionRow.sub == sa.bindparam("person")).order_by(SessionRow.sid).with_for_update()
)
_SINCE = (
    sa.select(SessionRow.auth_time)
    .where(SessionRow.sid == sa.bindparam("sid"), SessionRow.sub == sa.bindparam("sub"), *_LIVING)
    .with_for_update()
)
_BY_COOKIE = (
    sa.select(*_COLUMNS, UserRow.disabled)
    .join(UserRow, UserRow.sub == SessionRow.sub)
    .where(SessionRow.digest == sa.bindparam("presented"))
)
_FOLLOW = (
    sa.update(SessionPartyRow).where(SessionPartyRow.session == sa.bindparam("old")).values(session=sa.bindparam("new"))
)
_FOLLOWS = sa.select(SessionPartyRow.sid).where(
    SessionPartyRow.session == sa.bindparam("sid"), SessionPartyRow.sid == sa.bindparam("earlier")
)
_LEAVE = (
    sa.delete(SessionPartyRow)
    .where(SessionPartyRow.session == sa.bindparam("ended"))
    .returning(SessionPartyRow.name, SessionPartyRow.sid)
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
        visitor: Visitor,
        auth_time: int | None = None,
        also: Callable[[BrowserSession], None] | None = None,
    ) -> str:
        """A new session for a person who just proved themselves; returns its cookie. `also` may write before the audit trail does.

        The cookie is always new. The same person logging in again keeps their `sid`, so apps of this session stay logged in;
        after a pause they get a new one that those of the old session follow. `auth_time` is that of an earlier login which this only
        adds to, else now. Another person's session in this browser ends.
        """
        now, cookie = self._clock.now(), new_secret()
        old = self._row(tx, previous) if previous else None
        sid = self._continued(tx, old) if old is not None and old.sub == sub else new_secret()
        session = BrowserSession(sid, sub, auth_time or now, acr, amr, now + self._absolute_ttl)
        began = old.created_at if old is not None and old.sid == sid else now
        tx.execute(_INSERT, _values(session, cookie, began=began, now=now, visitor=visitor))
        if also is not None:
            also(session)
        if old is not None and old.sub != sub:
            self._end(tx, SessionRow.sid == old.sid)
        peer, agent = visitor.peer or None, visitor.agent or None
        self._audit.append(tx, "login", sub=sub, session=sid, acr=acr, amr=" ".join(amr), peer=peer, agent=agent)
        return cookie

    def go_on(self, tx: sa.Connection, ended: BrowserSession, visitor: Visitor) -> str:
        """A new session with what was proven in one that has just ended, and no longer than it; returns its cookie."""
        cookie, now = new_secret(), self._clock.now()
        tx.execute(_INSERT, _values(replace(ended, sid=new_secret()), cookie, began=now, now=now, visitor=visitor))
        return cookie

    def _continued(self, tx: sa.Connection, old: AnyRow) -> str:
        """The `sid` after an old session of the same person: its own while it lives, else a new one that its parties follow."""
        tx.execute(sa.delete(SessionRow).where(SessionRow.sid == old.sid))
        if self._lives(old):
            return str(old.sid)
        sid = new_secret()
        tx.execute(_FOLLOW, {"old": old.sid, "new": sid})
        return sid

    def find(self, cookie: str | None) -> BrowserSession | None:
        """The living session of this cookie; looking at it keeps it alive."""
        if not cookie:
            return None
        with self._database.read() as tx:
            row = self._row(tx, cookie)
        if row is None or not self._lives(row):
            return None
        now = self._clock.now()
        if row.seen_at + _TOUCH_SECONDS < now:
            with self._database.write(durable=False) as tx:
                tx.execute(sa.update(SessionRow).where(SessionRow.sid == row.sid).values(seen_at=now))
        return _session(row)

    def of(self, tx: sa.Connection, sub: str) -> list[OpenSession]:
        """Every living session of a person, the one used last first."""
        living = tx.execute(_OPEN.where(*_LIVING), {"sub": sub, **self._living()})
        return [
            OpenSession(
                row.sid, row.acr, row.created_at, row.seen_at, row.expires_at, Visitor(row.peer or "", row.agent or "")
            )
            for row in living
        ]

    def run_out(self, cookie: str | None) -> BrowserSession | None:
        """The session of this cookie when it ran out: it opens nothing, but those who took part in it have not heard of its end."""
        if not cookie:
            return None
        with self._database.read() as tx:
            row = self._row(tx, cookie)
        return None if row is None or self._lives(row) else _session(row)

    def alive(self, tx: sa.Connection, sid: str) -> bool:
        """Whether this session still lives, as this transaction sees it."""
        return tx.execute(_ALIVE, {"sid": sid, **self._living()}).scalar() is not None

    def hold(self, tx: sa.Connection, sid: str) -> bool:
        """Whether this session still lives; it cannot end before this transaction does."""
        return tx.execute(_HOLD, {"sid": sid, **self._living()}).scalar() is not None

    def since(self, tx: sa.Connection, sid: str, sub: str) -> int | None:
        """When this person logged in for this living session, which ends no more before this transaction does; None when it is over."""
        found: int | None = tx.execute(_SINCE, {"sid": sid, "sub": sub, **self._living()}).scalar()
        return found

    def join(self, tx: sa.Connection, sid: str, party: str) -> bool:
        """Note who takes part in a living session: it cannot end before this transaction does. False when it has ended."""
        if not self.hold(tx, sid):
            return False
        self.takes_part(tx, sid, party)
        return True

    @staticmethod
    def takes_part(tx: sa.Connection, sid: str, party: str) -> None:
        """The same of a session that this transaction holds, or has opened."""
        insert_or_ignore(tx, SessionPartyRow, {"sid": sid, "name": party, "session": sid})

    def follows(self, sid: str, earlier: str) -> bool:
        """Whether somebody takes part in this session who knows it by an earlier `sid`."""
        with self._database.read() as tx:
            return tx.execute(_FOLLOWS, {"sid": sid, "earlier": earlier}).first() is not None

    def end(self, sid: str) -> tuple[Party, ...]:
        """Log out; what hangs on the session ends with it. Returns who took part in it: nobody when it had ended already."""
        with self._database.write() as tx:
            return tuple(party for ended in self._end(tx, SessionRow.sid == sid) for party in ended.parties)

    def end_own(self, sub: str, sid: str) -> bool:
        """Log a person out of one session of theirs; False when they have no such session."""
        with self._database.write() as tx:
            return bool(self._end(tx, sa.and_(SessionRow.sub == sub, SessionRow.sid == sid)))

    def end_others(self, sub: str, sid: str) -> int:
        """Log a person out everywhere but here; returns out of how many sessions."""
        with self._database.write() as tx:
            return len(self._end(tx, sa.and_(SessionRow.sub == sub, SessionRow.sid != sid)))

    def end_all(self, tx: sa.Connection, sub: str, also: Callable[[], None] | None = None) -> None:
        """Log a person out everywhere and forget their devices. `also` may write before the audit trail does."""
        self._end(tx, SessionRow.sub == sub, also)
        tx.execute(sa.delete(DeviceRow).where(DeviceRow.sub == sub))

    def lock_all(self, tx: sa.Connection, sub: str) -> None:
        """Let nothing be given in the sessions of a person until this transaction ends."""
        tx.execute(_LOCK_ALL, {"person": sub})

    def _end(
        self, tx: sa.Connection, condition: sa.ColumnElement[bool], also: Callable[[], None] | None = None
    ) -> list[SessionEnded]:
        gone = sa.delete(SessionRow).where(condition).returning(*_COLUMNS)
        ended = [self._told(tx, _session(row)) for row in tx.execute(gone).all()]
        if also is not None:
            also()
        for one in ended:
            self._audit.append(tx, "logout", sub=one.session.sub, session=one.session.sid)
        return ended

    def _told(self, tx: sa.Connection, session: BrowserSession) -> SessionEnded:
        parties = tx.execute(_LEAVE, {"ended": session.sid}).all()
        ended = SessionEnded(session, tuple(Party(row.name, row.sid) for row in parties))
        for listener in self._listeners:
            listener(tx, ended)
        return ended

    def _row(self, tx: sa.Connection, cookie: str) -> AnyRow | None:
        """The session of this cookie, living or not."""
        return tx.execute(_BY_COOKIE, {"presented": digest(cookie)}).one_or_none()

    def _lives(self, row: AnyRow) -> bool:
        living = self._living()
        return not row.disabled and row.expires_at > living["now"] and row.seen_at > living["seen_after"]

    def _living(self) -> dict[str, int]:
        now = self._clock.now()
        return {"now": now, "seen_after": now - self._idle_ttl}


def _values(session: BrowserSession, cookie: str, *, began: int, now: int, visitor: Visitor) -> dict[str, Any]:
    return {
        "sid": session.sid,
        "digest": digest(cookie),
        "sub": session.sub,
        "auth_time": session.auth_time,
        "acr": session.acr,
        "amr": list(session.amr),
        "created_at": began,
        "seen_at": now,
        "expires_at": session.expires_at,
        "peer": visitor.peer or None,
        "agent": visitor.agent or None,
    }


def _session(row: AnyRow) -> BrowserSession:
    return BrowserSession(row.sid, row.sub, row.auth_time, row.acr, tuple(row.amr), row.expires_at)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Remove sessions past their end and devices unseen for half a year; returns how many."""
    over = sa.select(SessionRow.sid).where(SessionRow.expires_at < now).limit(limit)
    gone = tx.execute(sa.delete(SessionRow).where(SessionRow.sid.in_(over)).returning(SessionRow.sid)).scalars().all()
    tx.execute(sa.delete(SessionPartyRow).where(SessionPartyRow.session.in_(gone)))
    long_ago = DeviceRow.seen_at < now - 180 * 86400
    unseen = sa.select(DeviceRow.digest).where(long_ago).limit(limit)
    return len(gone) + tx.execute(sa.delete(DeviceRow).where(DeviceRow.digest.in_(unseen), long_ago)).rowcount
