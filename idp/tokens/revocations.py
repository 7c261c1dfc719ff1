"""One table says what is revoked: a token, a grant, a session, a person, a client or a key, and since when.

A row counts for everything of its kind that was issued until `since`, one of a key for whatever that key signs; it is kept until the last
such token has expired. Introspection, userinfo and refresh read it, in one query. Listeners hear of every row in its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from idp.platform.db import upsert
from idp.platform.ids import created_at
from idp.tokens import lineage
from idp.tokens.models import RevocationRow
from idp.tokens.values import AccessToken

KINDS = ("token", "grant", "session", "subject", "client", "key")
_LASTING = frozenset({"subject", "client"})
"""What goes on after a revocation: what begins later is not covered."""
_NOTHING: Mapping[str, str | None] = dict.fromkeys(KINDS)
_COVERING = sa.select(RevocationRow.kind, RevocationRow.since).where(
    sa.or_(
        *(sa.and_(RevocationRow.kind == sa.literal(kind), RevocationRow.target == sa.bindparam(kind)) for kind in KINDS)
    )
)
RevocationListener = Callable[[sa.Connection, str, str, AccessToken | None], None]
"""(transaction, kind, target, the token where it is one that is revoked by itself)"""


class Revocations:
    """`longest_life` is how long, in seconds, anything can live that a row speaks of."""

    def __init__(self, longest_life: int, listeners: Sequence[RevocationListener] = ()) -> None:
        self._longest_life = longest_life
        self._listeners = listeners

    def add(self, tx: sa.Connection, kind: str, target: str, *, since: float, now: int) -> None:
        """Revoke what was issued until `since`. Who has an entry for the audit trail writes it afterwards."""
        self._add(tx, kind, target, since, now, None)

    def add_token(self, tx: sa.Connection, token: AccessToken, *, since: float, now: int) -> None:
        """Revoke one token by itself."""
        self._add(tx, "token", token.jti, since, now, token)

    def _add(
        self, tx: sa.Connection, kind: str, target: str, since: float, now: int, token: AccessToken | None
    ) -> None:
        values = {"kind": kind, "target": target, "since": since, "until": now + self._longest_life}
        upsert(tx, RevocationRow, values, key=("kind", "target"))
        for listener in self._listeners:
            listener(tx, kind, target, token)

    def outdate(self, tx: sa.Connection, sub: str) -> None:
        """A person lost a role: whoever lists revoked tokens hears of it as if all of theirs were. No row is written, since grants go on, and
        whoever reads a token here compares its roles with the person's."""
        for listener in self._listeners:
            listener(tx, "subject", sub, None)

    def is_revoked(self, tx: sa.Connection, token: AccessToken, sid: str | None) -> bool:
        """Whether any row speaks of this token itself; what it was exchanged from is another question."""
        targets = {
            "token": token.jti,
            "grant": token.grant_id or None,
            "session": sid,
            "subject": token.sub,
            "client": token.client_id,
            "key": token.kid,
        }
        return _any(tx, targets, _began(token))

    def is_token_revoked(self, tx: sa.Connection, jti: str) -> bool:
        """Whether the token of this `jti` was revoked by itself."""
        return _any(tx, {"token": jti}, 0.0)

    def is_grant_revoked(self, tx: sa.Connection, grant_id: str, sub: str, client_id: str) -> bool:
        """Whether a grant may no longer give tokens."""
        targets = {"grant": grant_id, "subject": sub, "client": client_id}
        return _any(tx, targets, created_at(grant_id))

    def revoked_among(self, tx: sa.Connection, sub: str, grants: Mapping[str, str]) -> set[str]:
        """Which of a person's grants, by id with their clients, may no longer give tokens: one question about all of them."""
        speaking = sa.or_(
            sa.and_(RevocationRow.kind == "grant", RevocationRow.target.in_(grants)),
            sa.and_(RevocationRow.kind == "client", RevocationRow.target.in_(set(grants.values()))),
            sa.and_(RevocationRow.kind == "subject", RevocationRow.target == sub),
        )
        rows = tx.execute(sa.select(RevocationRow.kind, RevocationRow.target, RevocationRow.since).where(speaking))
        since = {(row.kind, row.target): row.since for row in rows}

        def is_revoked(grant_id: str, client_id: str) -> bool:
            lasting = (since.get(("subject", sub)), since.get(("client", client_id)))
            began = created_at(grant_id)
            return ("grant", grant_id) in since or any(one is not None and one >= began for one in lasting)

        return {grant_id for grant_id, client_id in grants.items() if is_revoked(grant_id, client_id)}


def _began(token: AccessToken) -> float:
    """Since when a row must be to speak of this token.

    A token with a grant began when its grant did, to the millisecond (the grant's id says so): a login in the same second as a password
    change holds. An exchanged token began with its exchange: its client may have been disabled and enabled since the grant.
    """
    exchanged_at = lineage.exchanged_at(token.jti)
    if exchanged_at is not None:
        return exchanged_at
    return created_at(token.grant_id) if token.grant_id else float(token.issued_at)


def _any(tx: sa.Connection, targets: Mapping[str, str | None], began: float) -> bool:
    """A key that is not ours alone any more may sign any time into a token, so its row counts for all of them."""
    rows = tx.execute(_COVERING, {**_NOTHING, **targets})
    return any(kind not in _LASTING or since >= began for kind, since in rows)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Remove rows that speak of nothing alive; returns how many."""
    over = sa.select(RevocationRow.kind, RevocationRow.target).where(RevocationRow.until < now).limit(limit)
    rows = tx.execute(over).all()
    for kind, target in rows:
        tx.execute(sa.delete(RevocationRow).where(RevocationRow.kind == kind, RevocationRow.target == target))
    return len(rows)
