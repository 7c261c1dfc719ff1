"""Refresh tokens by family: consumed first, then answered, in one transaction (RFC 9700 §4.14.2).

A replay within the window, by the same client asking the same, gets the very same whole answer: it lies sealed under a key derived from
the presented token, so the database alone cannot open it. Any later replay ends the family.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.platform.db import AnyRow
from idp.platform.ids import digest, new_secret
from idp.platform.secrets import derive, seal, unseal
from idp.tokens.models import RefreshTokenRow
from idp.tokens.store import Grants
from idp.tokens.values import Confirmation, Grant

_PURPOSE = "refresh-answer"
_MINE = (RefreshTokenRow.digest == sa.bindparam("presented"), RefreshTokenRow.client_id == sa.bindparam("of_client"))
_USABLE = (*_MINE, RefreshTokenRow.used_at.is_(None), RefreshTokenRow.expires_at > sa.bindparam("now"))
_FIND = sa.select(RefreshTokenRow.__table__).where(*_MINE)
_FIND_USABLE = sa.select(RefreshTokenRow.__table__).where(*_USABLE)
_CONSUME = (
    sa.update(RefreshTokenRow)
    .where(*_USABLE)
    .values(used_at=sa.bindparam("now"), asked=sa.bindparam("request"))
    .returning(RefreshTokenRow.grant_id, RefreshTokenRow.cnf)
)
_SEAL = (
    sa.update(RefreshTokenRow)
    .where(RefreshTokenRow.digest == sa.bindparam("presented"))
    .values(answer=sa.bindparam("sealed"))
)
_INSERT = sa.insert(RefreshTokenRow)
Mint = Callable[[Grant, str, Confirmation], dict[str, Any]]
"""(the grant, the new refresh token, what bound the presented one) -> the whole token response. It may raise; then nothing is consumed."""
_UNBOUND: Confirmation = {}


class Refusal(Enum):
    """Why a refresh was refused. `REUSED` must be committed: it ended the family."""

    UNKNOWN = "unknown, foreign or expired"
    ENDED = "the grant has ended"
    OTHER_REQUEST = "a replay within the window that asks for something else"
    REUSED = "a replay after the window: the family is ended"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The outcome: an answer, or why there is none, and the grant where it is known."""

    answer: dict[str, Any] | None = None
    refusal: Refusal | None = None
    grant: Grant | None = None


@dataclass(frozen=True, slots=True)
class LivingRefreshToken:
    """A refresh token that could be used now; times are epoch seconds."""

    client_id: str
    sub: str
    scope: str
    issued_at: int
    expires_at: int
    cnf: Confirmation


class RefreshTokens:
    """First tokens, rotation and replay. `window` and `idle_ttl` are in seconds."""

    def __init__(self, clock: Clock, grants: Grants, *, window: int, idle_ttl: int) -> None:
        self._clock = clock
        self._grants = grants
        self._window = window
        self._idle_ttl = idle_ttl

    def first(self, tx: sa.Connection, grant: Grant, binding: Confirmation = _UNBOUND) -> str:
        """Write the family's first token, bound to its sender, and return it; it is never seen again."""
        token = new_secret()
        self._insert(tx, token, grant, binding)
        return token

    def rotate(
        self,
        tx: sa.Connection,
        presented: str,
        *,
        client_id: str,
        asked: str,
        mint: Mint,
        binding: Confirmation = _UNBOUND,
    ) -> Refreshed:
        """Consume, mint, seal and write the successor. `asked` is a fingerprint of what the request asks for, and of who sends it."""
        now = self._clock.precise()
        row = self._consume(tx, presented, client_id, asked, now)
        if row is None:
            return self._replayed(tx, presented, client_id, asked, now)
        grant = self._grants.hold(tx, row.grant_id)
        if grant is None or not self._grants.holds(tx, grant):
            return Refreshed(refusal=Refusal.ENDED, grant=grant)
        successor = new_secret()
        answer = mint(grant, successor, row.cnf or _UNBOUND)
        self._insert(tx, successor, grant, binding)
        sealed = seal(derive(presented.encode(), _PURPOSE), json.dumps(answer).encode())
        tx.execute(_SEAL, {"presented": digest(presented), "sealed": sealed})
        return Refreshed(answer=answer, grant=grant)

    def _consume(self, tx: sa.Connection, presented: str, client_id: str, asked: str, now: float) -> AnyRow | None:
        named = {"presented": digest(presented), "of_client": client_id, "now": now, "request": asked}
        return tx.execute(_CONSUME, named).one_or_none()

    def _replayed(self, tx: sa.Connection, presented: str, client_id: str, asked: str, now: float) -> Refreshed:
        row = tx.execute(_FIND, {"presented": digest(presented), "of_client": client_id}).one_or_none()
        if row is None or row.used_at is None:
            return Refreshed(refusal=Refusal.UNKNOWN)
        grant = self._grants.find(tx, row.grant_id)
        if grant is None or not self._grants.holds(tx, grant):
            return Refreshed(refusal=Refusal.ENDED, grant=grant)
        if self._window and now - row.used_at <= self._window:
            if row.asked != asked or row.answer is None:
                return Refreshed(refusal=Refusal.OTHER_REQUEST, grant=grant)
            return Refreshed(answer=_open(presented, row.answer), grant=grant)
        self._grants.end(tx, row.grant_id)
        return Refreshed(refusal=Refusal.REUSED, grant=grant)

    def living(self, tx: sa.Connection, presented: str, client_id: str) -> LivingRefreshToken | None:
        """The token when this client could refresh with it now."""
        named = {"presented": digest(presented), "of_client": client_id, "now": self._clock.now()}
        row = tx.execute(_FIND_USABLE, named).one_or_none()
        grant = None if row is None else self._grants.find(tx, row.grant_id)
        if row is None or grant is None or not self._grants.holds(tx, grant):
            return None
        return LivingRefreshToken(
            client_id, grant.sub, grant.scope, row.created_at, row.expires_at, row.cnf or _UNBOUND
        )

    def family(self, tx: sa.Connection, presented: str, client_id: str) -> str | None:
        """The grant of a refresh token of this client, used or not: what revocation ends."""
        row = tx.execute(_FIND, {"presented": digest(presented), "of_client": client_id}).one_or_none()
        return None if row is None else str(row.grant_id)

    def _insert(self, tx: sa.Connection, token: str, grant: Grant, binding: Confirmation) -> None:
        now = self._clock.now()
        values = {
            "digest": digest(token),
            "grant_id": grant.id,
            "client_id": grant.client_id,
            "cnf": dict(binding) or None,
            "created_at": now,
            "expires_at": min(now + self._idle_ttl, grant.expires_at),
        }
        tx.execute(_INSERT, values)


def _open(presented: str, sealed: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(unseal(derive(presented.encode(), _PURPOSE), sealed))
    return answer
