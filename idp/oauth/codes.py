"""Authorization codes: 256 random bits, a digest at rest, redeemed once in one statement (RFC 6749 §4.1.2, §10.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth.models import CodeRow
from idp.platform.db import AnyRow
from idp.platform.ids import digest, new_secret
from idp.platform.jsontext import shallow
from idp.tokens.store import grant_of
from idp.tokens.values import Confirmation, Grant

_INSERT = sa.insert(CodeRow)
_FIND = sa.select(CodeRow.__table__).where(
    CodeRow.digest == sa.bindparam("presented"), CodeRow.client_id == sa.bindparam("client_id")
)
_CONSUME = (
    sa.update(CodeRow)
    .where(
        CodeRow.digest == sa.bindparam("presented"), CodeRow.used_at.is_(None), CodeRow.expires_at > sa.bindparam("now")
    )
    .values(used_at=sa.bindparam("now"))
)
_WAITING = (
    sa.select(CodeRow.grant["id"].as_string())
    .where(
        CodeRow.expires_at > sa.bindparam("now"),
        CodeRow.client_id == sa.bindparam("of_client"),
        CodeRow.used_at.is_(None),
        CodeRow.grant["sub"].as_string() == sa.bindparam("person"),
    )
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Code:
    """A stored code: what binds it and the grant it gives."""

    digest: str
    client_id: str
    redirect_uri: str
    redirect_uri_given: bool
    code_challenge: str | None
    cnf: Confirmation
    grant: Grant
    expires_at: int
    used: bool


class Codes:
    """Issues, finds and consumes codes that live `ttl` seconds."""

    def __init__(self, clock: Clock, *, ttl: int) -> None:
        self._clock = clock
        self._ttl = ttl

    def issue(
        self,
        tx: sa.Connection,
        grant: Grant,
        *,
        redirect_uri: str,
        given: bool,
        code_challenge: str | None,
        binding: Confirmation,
    ) -> str:
        """A new code for a grant whose id is set already; `given`: the request named its redirect URI. `binding`: who may redeem it."""
        code = new_secret()
        values = {
            "digest": digest(code),
            "client_id": grant.client_id,
            "redirect_uri": redirect_uri,
            "redirect_uri_given": given,
            "code_challenge": code_challenge,
            "cnf": dict(binding) or None,
            "grant": shallow(grant),
            "expires_at": self._clock.now() + self._ttl,
        }
        tx.execute(_INSERT, values)
        return code

    def find(self, tx: sa.Connection, code: str, client_id: str) -> Code | None:
        """The code, used or not, when it is this client's and has not expired."""
        row = tx.execute(_FIND, {"presented": digest(code), "client_id": client_id}).one_or_none()
        return None if row is None or (row.expires_at <= self._clock.now() and row.used_at is None) else _code(row)

    def consume(self, tx: sa.Connection, code: Code) -> bool:
        """Use the code up; of any number at once exactly one is told so."""
        return tx.execute(_CONSUME, {"presented": code.digest, "now": self._clock.now()}).rowcount == 1


def waiting_of(tx: sa.Connection, sub: str, client_id: str, now: int) -> list[str]:
    """The grants of a person's codes that this client could redeem yet; nobody redeems them before this transaction ends."""
    return list(tx.execute(_WAITING, {"person": sub, "of_client": client_id, "now": now}).scalars())


def _code(row: AnyRow) -> Code:
    grant: dict[str, Any] = row.grant
    return Code(
        digest=row.digest,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        redirect_uri_given=row.redirect_uri_given,
        code_challenge=row.code_challenge,
        cnf=row.cnf or {},
        grant=grant_of(grant),
        expires_at=row.expires_at,
        used=row.used_at is not None,
    )


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget codes an hour after they expired: until then a reuse is recognised. Returns how many."""
    over = sa.select(CodeRow.digest).where(CodeRow.expires_at < now - 3600).limit(limit)
    return tx.execute(sa.delete(CodeRow).where(CodeRow.digest.in_(over))).rowcount
