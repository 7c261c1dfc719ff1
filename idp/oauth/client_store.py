"""Clients at rest: each write is one row, its audit entry and the clients' generation, all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.oauth.clients import GENERATION, lock
from idp.oauth.exchange.models import ExchangeRuleRow
from idp.oauth.models import ClientRow, ConsentRow
from idp.oauth.registration.credentials import SECRET_METHODS
from idp.oauth.sectors import sector_of
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, insert_or_ignore
from idp.platform.generations import bump
from idp.platform.ids import digest, new_secret

EndTokens = Callable[[sa.Connection, str], None]
Columns = Mapping[str, Any]
_FIND = sa.select(ClientRow.__table__).where(ClientRow.client_id == sa.bindparam("this"))


class ClientStore:
    """Writes clients whose metadata was checked; `values` are further columns, `detail` goes into the audit entry."""

    def __init__(self, clock: Clock, audit: Audit, end_tokens: EndTokens) -> None:
        self._clock = clock
        self._audit = audit
        self._end_tokens = end_tokens

    def find(self, tx: sa.Connection, client_id: str) -> AnyRow | None:
        return tx.execute(_FIND, {"this": client_id}).one_or_none()

    def insert(
        self,
        tx: sa.Connection,
        client_id: str,
        metadata: Mapping[str, Any],
        *,
        secret: str | None,
        detail: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> Columns:
        """Write a new client; raises `Refused` when its identifier is taken."""
        now = self._clock.now()
        row = {
            "client_id": client_id,
            "document": metadata,
            "secrets": [stored(secret)] if secret else [],
            "disabled": False,
            "created_at": now,
            "updated_at": now,
            "version": 1,
            **values,
        }
        if not insert_or_ignore(tx, ClientRow, row):
            raise Refused("invalid_client_metadata", "there is a client of this client_id already")
        self._changed(tx, "client.created", client_id, detail)
        return row

    def replace(
        self,
        tx: sa.Connection,
        row: AnyRow,
        metadata: Mapping[str, Any],
        *,
        detail: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> str | None:
        """Give a client other metadata; returns the secret it needs from now on and had not before."""
        needs_secret = metadata["token_endpoint_auth_method"] in SECRET_METHODS
        secret = new_secret() if needs_secret and not row.secrets else None
        secrets = ([stored(secret)] if secret else row.secrets) if needs_secret else []
        if sector_of(metadata) != sector_of(row.document):
            self._end_tokens(tx, row.client_id)  # people are called otherwise from now on (OpenID Connect Core §12.2)
        self.write(tx, row, "client.updated", detail=detail, document=metadata, secrets=secrets, **values)
        return secret

    def write(
        self, tx: sa.Connection, row: AnyRow, event: str, *, detail: Mapping[str, Any] | None = None, **values: Any
    ) -> None:
        """Change columns of a client; raises `Refused` when somebody else did since it was read."""
        change = sa.update(ClientRow).where(ClientRow.client_id == row.client_id, ClientRow.version == row.version)
        stamped = {**values, "updated_at": self._clock.now(), "version": row.version + 1}
        if tx.execute(change.values(**stamped)).rowcount != 1:
            raise Refused("conflict", "somebody else changed this client at the same moment, try again")
        self._changed(tx, event, row.client_id, detail)

    def delete(self, tx: sa.Connection, client_id: str, *, detail: Mapping[str, Any] | None = None) -> None:
        """Forget a client, what people allowed it, and end its tokens."""
        for table in (ConsentRow, ExchangeRuleRow, ClientRow):
            tx.execute(sa.delete(table).where(table.client_id == client_id))
        self._end_tokens(tx, client_id)
        self._changed(tx, "client.deleted", client_id, detail)

    def end_tokens(self, tx: sa.Connection, client_id: str) -> None:
        """End everything the client holds; whoever is about to hand it more waits, and then finds the client as it is by then."""
        lock(tx, client_id)
        self._end_tokens(tx, client_id)

    def _changed(self, tx: sa.Connection, event: str, client_id: str, detail: Mapping[str, Any] | None) -> None:
        bump(tx, GENERATION)
        self._audit.append(tx, event, client_id=client_id, **(detail or {}))


def stored(secret: str) -> dict[str, Any]:
    """What is kept of a client secret."""
    return {"digest": digest(secret), "expires_at": 0}


def columns(row: AnyRow) -> dict[str, Any]:
    return dict(zip(row._fields, row, strict=True))
