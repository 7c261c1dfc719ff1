"""What the command line may do with clients. Every change is one transaction with its audit entry and the clients' generation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.oauth.clients import GENERATION
from idp.oauth.exchange.models import ExchangeRuleRow
from idp.oauth.models import ClientRow, ConsentRow
from idp.oauth.registration import checked
from idp.oauth.registration.credentials import SECRET_METHODS, check_client_id, check_client_secret
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database, insert_or_ignore
from idp.platform.generations import bump
from idp.platform.ids import digest, new_id, new_secret

EndTokens = Callable[[sa.Connection, str], None]


class ClientAdmin:
    """Creates, shows and changes clients; refusals are `Refused` with an RFC 7591 code."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        *,
        is_resource: Callable[[str], bool],
        ensure_key: Callable[[str], None],
        end_tokens: EndTokens,
        response_types: Collection[str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._is_resource = is_resource
        self._ensure_key = ensure_key
        self._end_tokens = end_tokens
        self._response_types = response_types

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Register a client; the answer holds its secret, this once."""
        given = dict(document)
        client_id = check_client_id(given.pop("client_id", new_id(self._clock.precise())))
        secret = given.pop("client_secret", None)
        metadata = self._checked(given)
        if metadata["token_endpoint_auth_method"] in SECRET_METHODS:
            secret = new_secret() if secret is None else check_client_secret(secret)
        elif secret is not None:
            raise Refused("invalid_client_metadata", "client_secret is for client_secret_basic and client_secret_post")
        self._ensure_key(metadata.get("id_token_signed_response_alg", "RS256"))
        now = self._clock.now()
        values = {
            "client_id": client_id,
            "document": metadata,
            "secrets": [_stored(secret)] if secret else [],
            "disabled": False,
            "created_at": now,
            "updated_at": now,
            "version": 1,
        }
        with self._database.write() as tx:
            if not insert_or_ignore(tx, ClientRow, values):
                raise Refused("invalid_client_metadata", "there is a client of this client_id already")
            self._changed(tx, "client.created", client_id)
        return self._shown(values, secret)

    def update(self, client_id: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Change a client by merge patch (RFC 7396): null removes a member."""
        if {"client_id", "client_secret"} & patch.keys():
            raise Refused("invalid_client_metadata", "client_id stays; use rotate-secret for a new secret")
        with self._database.write() as tx:
            row = self._row(tx, client_id)
            merged = {**row.document, **patch}
            kept = {name: value for name, value in merged.items() if value is not None}
            metadata = self._checked(kept)
            needs_secret = metadata["token_endpoint_auth_method"] in SECRET_METHODS
            secret = new_secret() if needs_secret and not row.secrets else None
            secrets = ([_stored(secret)] if secret else row.secrets) if needs_secret else []
            self._write(tx, row, document=metadata, secrets=secrets)
            self._changed(tx, "client.updated", client_id)
        self._ensure_key(metadata.get("id_token_signed_response_alg", "RS256"))
        return self._shown({**_columns(row), "document": metadata}, secret)

    def rotate_secret(self, client_id: str, *, grace: int = 0) -> dict[str, Any]:
        """A new secret; the old one is accepted for `grace` more seconds."""
        with self._database.write() as tx:
            row = self._row(tx, client_id)
            if row.document["token_endpoint_auth_method"] not in SECRET_METHODS:
                raise Refused("invalid_request", "this client has no secret")
            secret, until = new_secret(), self._clock.now() + grace
            old = (
                [{**one, "expires_at": min(one["expires_at"] or until, until)} for one in row.secrets] if grace else []
            )
            self._write(tx, row, secrets=[_stored(secret), *old[:1]])
            self._changed(tx, "client.secret_rotated", client_id)
        return self._shown(_columns(row), secret)

    def disable(self, client_id: str) -> dict[str, Any]:
        """Refuse everything the client asks from now on; its tokens end at once."""
        return self._switch(client_id, disabled=True)

    def enable(self, client_id: str) -> dict[str, Any]:
        return self._switch(client_id, disabled=False)

    def delete(self, client_id: str) -> None:
        """Forget a client, what people allowed it, and end its tokens."""
        with self._database.write() as tx:
            self._row(tx, client_id)
            for table in (ConsentRow, ExchangeRuleRow):
                tx.execute(sa.delete(table).where(table.client_id == client_id))
            tx.execute(sa.delete(ClientRow).where(ClientRow.client_id == client_id))
            self._end_tokens(tx, client_id)
            self._changed(tx, "client.deleted", client_id)

    def show(self, client_id: str) -> dict[str, Any]:
        """The registered metadata, without any secret."""
        with self._database.read() as tx:
            return self._shown(_columns(self._row(tx, client_id)), None)

    def find(self, client_id: str) -> dict[str, Any] | None:
        with self._database.read() as tx:
            row = tx.execute(sa.select(ClientRow.__table__).where(ClientRow.client_id == client_id)).one_or_none()
        return None if row is None else self._shown(_columns(row), None)

    def list(self) -> list[dict[str, Any]]:
        with self._database.read() as tx:
            rows = tx.execute(sa.select(ClientRow.__table__).order_by(ClientRow.client_id))
            return [self._shown(_columns(row), None) for row in rows]

    def _checked(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return checked(document, self._is_resource, offered=self._response_types)

    def _switch(self, client_id: str, *, disabled: bool) -> dict[str, Any]:
        with self._database.write() as tx:
            row = self._row(tx, client_id)
            self._write(tx, row, disabled=disabled)
            if disabled:
                self._end_tokens(tx, client_id)
            self._changed(tx, "client.disabled" if disabled else "client.enabled", client_id)
        return self._shown({**_columns(row), "disabled": disabled}, None)

    def _write(self, tx: sa.Connection, row: AnyRow, **values: Any) -> None:
        change = sa.update(ClientRow).where(ClientRow.client_id == row.client_id, ClientRow.version == row.version)
        stamped = {**values, "updated_at": self._clock.now(), "version": row.version + 1}
        if tx.execute(change.values(**stamped)).rowcount != 1:
            raise Refused("conflict", "somebody else changed this client at the same moment, try again")

    def _row(self, tx: sa.Connection, client_id: str) -> AnyRow:
        row = tx.execute(sa.select(ClientRow.__table__).where(ClientRow.client_id == client_id)).one_or_none()
        if row is None:
            raise Refused("unknown", "there is no such client")
        return row

    def _changed(self, tx: sa.Connection, event: str, client_id: str) -> None:
        bump(tx, GENERATION)
        self._audit.append(tx, event, client_id=client_id)

    @staticmethod
    def _shown(columns: Mapping[str, Any], secret: str | None) -> dict[str, Any]:
        document = {"client_id": columns["client_id"], "client_id_issued_at": columns["created_at"]}
        if secret is not None:
            document |= {"client_secret": secret, "client_secret_expires_at": 0}
        return {**document, **columns["document"], "disabled": columns["disabled"]}


def _stored(secret: str) -> dict[str, Any]:
    return {"digest": digest(secret), "expires_at": 0}


def _columns(row: AnyRow) -> dict[str, Any]:
    return dict(zip(row._fields, row, strict=True))
