"""Grants at rest: saved with their first token, found at every refresh, ended by one row of the revocations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import AnyRow, insert_or_ignore
from idp.platform.ids import created_at
from idp.tokens.models import GrantRow, RefreshTokenRow
from idp.tokens.revocations import Revocations
from idp.tokens.values import Grant

_PAGE = 500
_FIND = sa.select(GrantRow.__table__).where(GrantRow.id == sa.bindparam("grant_id"))
_HOLD = _FIND.with_for_update(read=True, key_share=True)
_LOCK = sa.select(GrantRow.id).order_by(GrantRow.id).with_for_update()
_NEWEST = (
    sa.select(GrantRow.__table__)
    .where(GrantRow.sid == sa.bindparam("of_session"), GrantRow.client_id == sa.bindparam("of_client"))
    .order_by(GrantRow.id.desc())
    .limit(1)
)
_USED = (
    sa.select(sa.func.max(RefreshTokenRow.created_at)).where(RefreshTokenRow.grant_id == GrantRow.id).scalar_subquery()
)
_LIVING_OF = (
    sa.select(GrantRow.__table__, _USED.label("used_at"))
    .where(GrantRow.sub == sa.bindparam("person"), GrantRow.expires_at > sa.bindparam("now"))
    .order_by(GrantRow.id)
)


@dataclass(frozen=True, slots=True)
class LivingGrant:
    """A grant that still gives tokens, and when it last gave some, in epoch seconds."""

    grant: Grant
    used_at: int


class Grants:
    """What people allowed clients, and how it ends."""

    def __init__(self, clock: Clock, revocations: Revocations) -> None:
        self._clock = clock
        self._revocations = revocations

    def save(self, tx: sa.Connection, grant: Grant) -> None:
        """Write a grant once: the code of a hybrid response finds it written."""
        insert_or_ignore(tx, GrantRow, _columns(grant))

    def find(self, tx: sa.Connection, grant_id: str) -> Grant | None:
        """The grant, whether or not it still holds."""
        row = tx.execute(_FIND, {"grant_id": grant_id}).one_or_none()
        return None if row is None else _grant(row)

    def hold(self, tx: sa.Connection, grant_id: str) -> Grant | None:
        """The grant; whoever ends it waits until this transaction ends, and then finds what it gave."""
        row = tx.execute(_HOLD, {"grant_id": grant_id}).one_or_none()
        return None if row is None else _grant(row)

    def lock(self, tx: sa.Connection, grant_id: str) -> None:
        """Let nobody be given anything for this grant until this transaction ends."""
        tx.execute(_LOCK.where(GrantRow.id == grant_id))

    def newest(self, tx: sa.Connection, sid: str, client_id: str) -> Grant | None:
        """What a client was granted last in a browser session, whether or not it still holds."""
        row = tx.execute(_NEWEST, {"of_session": sid, "of_client": client_id}).one_or_none()
        return None if row is None else _grant(row)

    def holds(self, tx: sa.Connection, grant: Grant) -> bool:
        """Whether it may still give tokens: not expired, not revoked."""
        if grant.expires_at <= self._clock.now():
            return False
        return not self._revocations.is_grant_revoked(tx, grant.id, grant.sub, grant.client_id)

    def living_of(self, tx: sa.Connection, sub: str) -> list[LivingGrant]:
        """Every grant of a person that still holds, the oldest first."""
        rows = tx.execute(_LIVING_OF, {"person": sub, "now": self._clock.now()}).all()
        gone = self._revocations.revoked_among(tx, sub, {row.id: row.client_id for row in rows})
        return [_living(row) for row in rows if row.id not in gone]

    def end(self, tx: sa.Connection, grant_id: str) -> None:
        """Revoke one grant; it may be one whose code was never redeemed."""
        self.lock(tx, grant_id)
        self._add(tx, "grant", grant_id)

    def end_session(self, tx: sa.Connection, sid: str) -> None:
        """Revoke what hangs on a browser session; offline grants go on (CONTRACT: after logout)."""
        query = _LOCK.where(GrantRow.sid == sid, GrantRow.offline.is_(False))
        for grant_id in tx.execute(query).scalars().all():
            self._add(tx, "grant", grant_id)

    def end_client_of(self, tx: sa.Connection, sub: str, client_id: str) -> int:
        """Revoke what a client holds of one person; returns how many grants that are."""
        query = _LOCK.where(GrantRow.sub == sub, GrantRow.client_id == client_id)
        held = set(tx.execute(query).scalars())
        living = [one.grant.id for one in self.living_of(tx, sub) if one.grant.id in held]
        for grant_id in living:
            self._add(tx, "grant", grant_id)
        return len(living)

    def end_subject(self, tx: sa.Connection, sub: str) -> None:
        """Revoke everything a person ever granted until now; their sessions end first, so that nothing is granted meanwhile."""
        tx.execute(_LOCK.where(GrantRow.sub == sub))
        self._add(tx, "subject", sub)

    def outdate(self, tx: sa.Connection, sub: str) -> None:
        """End every access token of a person that is out, since it says of them what is so no longer. Grants go on: a refresh gives another.

        Their sessions are locked first, so that nothing is granted meanwhile.
        """
        tx.execute(_LOCK.where(GrantRow.sub == sub))
        self._revocations.outdate(tx, sub)

    @staticmethod
    def forget(tx: sa.Connection, sub: str) -> None:
        """Forget what apps asked for a person who is gone; what is left of their ended grants names nobody."""
        blank: dict[str, Any] = {"authorization_details": [], "claims_request": {}, "nonce": None}
        tx.execute(sa.update(GrantRow).where(GrantRow.sub == sub).values(**blank))

    def end_client(self, tx: sa.Connection, client_id: str) -> None:
        """Revoke everything a client holds until now; its record is changed first, so that nobody hands it more meanwhile."""
        self._add(tx, "client", client_id)

    def _add(self, tx: sa.Connection, kind: str, target: str) -> None:
        self._revocations.add(tx, kind, target, since=self._clock.precise(), now=self._clock.now())


def _columns(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "client_id": grant.client_id,
        "sub": grant.sub,
        "sid": grant.sid,
        "scope": grant.scope,
        "audiences": list(grant.audiences),
        "offline": grant.offline,
        "auth_time": grant.auth_time,
        "acr": grant.acr,
        "amr": list(grant.amr),
        "nonce": grant.nonce,
        "claims_request": dict(grant.claims_request),
        "created_at": grant.created_at or int(created_at(grant.id)),
        "expires_at": grant.expires_at,
        "authorization_details": list(grant.authorization_details),
    }


def _grant(row: AnyRow) -> Grant:
    return grant_of(dict(zip(row._fields, row, strict=True)))


def _living(row: AnyRow) -> LivingGrant:
    columns = dict(zip(row._fields, row, strict=True))
    used_at = columns.pop("used_at")
    return LivingGrant(grant_of(columns), used_at or row.created_at)


def grant_of(columns: Mapping[str, Any]) -> Grant:
    """The value for one row of columns."""
    lists = {name: tuple(columns[name]) for name in ("audiences", "amr", "authorization_details") if name in columns}
    return Grant(**{**columns, **lists})


def prune(tx: sa.Connection, now: int, limit: int = _PAGE) -> int:
    """Remove grants and refresh tokens that expired more than a day ago; returns how many."""
    cutoff = now - 86400
    removed = 0
    for table, key in ((RefreshTokenRow, RefreshTokenRow.digest), (GrantRow, GrantRow.id)):
        over = sa.select(key).where(table.expires_at < cutoff).limit(limit)
        removed += tx.execute(sa.delete(table).where(key.in_(over))).rowcount
    return removed
