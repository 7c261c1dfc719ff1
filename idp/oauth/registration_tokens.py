"""Initial access tokens (RFC 7591 §3): who holds one may register clients, as often and as long as the operator said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.oauth.models import RegistrationTokenRow
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.ids import digest, new_id, new_secret

_TABLE = RegistrationTokenRow
_USABLE = (
    _TABLE.digest == sa.bindparam("presented"),
    sa.or_(_TABLE.expires_at.is_(None), _TABLE.expires_at > sa.bindparam("now")),
    sa.or_(_TABLE.uses_left.is_(None), _TABLE.uses_left > 0),
)
_FIND = sa.select(_TABLE.id).where(*_USABLE)
_CONSUME = sa.update(_TABLE).where(*_USABLE).values(uses_left=_TABLE.uses_left - 1).returning(_TABLE.id)


@dataclass(frozen=True, slots=True)
class RegistrationToken:
    """What may be known of one. `uses_left` and `expires_at` (epoch seconds) None: without end."""

    id: str
    name: str
    uses_left: int | None
    created_at: int
    expires_at: int | None

    def document(self) -> dict[str, Any]:
        """What is known, as JSON without nulls."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class RegistrationTokens:
    """Makes, lists, deletes and consumes them; only digests are kept."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def create(
        self, *, name: str = "", uses: int | None = None, ttl: int | None = None
    ) -> tuple[RegistrationToken, str]:
        """A token for so many registrations within `ttl` seconds; the second value is the token itself, this once."""
        if len(name) > 200 or not name.isprintable():
            raise Refused("name", "a name has at most 200 characters and no control characters")
        now, token = self._clock.now(), new_secret()
        expires_at = None if ttl is None else now + ttl
        made = RegistrationToken(new_id(self._clock.precise()), name, uses, now, expires_at)
        with self._database.write() as tx:
            tx.execute(sa.insert(_TABLE).values(**asdict(made), digest=digest(token)))
            self._audit.append(tx, "registration_token.created", registration_token=made.id)
        return made, token

    def list(self) -> list[RegistrationToken]:
        """Every token, oldest first."""
        columns = (_TABLE.id, _TABLE.name, _TABLE.uses_left, _TABLE.created_at, _TABLE.expires_at)
        with self._database.read() as tx:
            return [RegistrationToken(*row) for row in tx.execute(sa.select(*columns).order_by(_TABLE.id))]

    def delete(self, identifier: str) -> None:
        """Nobody registers with it any more; what was registered stays."""
        with self._database.write() as tx:
            if tx.execute(sa.delete(_TABLE).where(_TABLE.id == identifier)).rowcount != 1:
                raise Refused("unknown", "there is no such registration token")
            self._audit.append(tx, "registration_token.deleted", registration_token=identifier)

    def is_usable(self, token: str) -> bool:
        """Whether a client could be registered with it now."""
        with self._database.read() as tx:
            return tx.execute(_FIND, self._presented(token)).scalar() is not None

    def consume(self, tx: sa.Connection, token: str) -> str | None:
        """Use it once; its id, or None when it is used up, expired or unknown."""
        identifier: str | None = tx.execute(_CONSUME, self._presented(token)).scalar()
        return identifier

    def _presented(self, token: str) -> dict[str, Any]:
        return {"presented": digest(token), "now": self._clock.now()}


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Remove tokens that have expired; returns how many."""
    over = sa.select(_TABLE.id).where(_TABLE.expires_at <= now).limit(limit)
    return tx.execute(sa.delete(_TABLE).where(_TABLE.id.in_(over))).rowcount
