"""What the command line may do with clients. Every change is one transaction with its audit entry and the clients' generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.oauth.client_store import ClientStore, Columns, columns, stored
from idp.oauth.models import ClientRow
from idp.oauth.registration.answers import signed_with
from idp.oauth.registration.credentials import SECRET_METHODS, check_client_id, check_client_secret
from idp.oauth.registration.rules import Rules
from idp.platform.db import AnyRow, Database
from idp.platform.ids import new_id, new_secret


class ClientAdmin:
    """Creates, shows and changes clients; refusals are `Refused` with an RFC 7591 code."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        store: ClientStore,
        rules: Rules,
        ensure_keys: Callable[..., None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._store = store
        self._rules = rules
        self._ensure_keys = ensure_keys

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Register a client; the answer holds its secret, this once."""
        given = dict(document)
        client_id = check_client_id(given.pop("client_id", new_id(self._clock.precise())))
        secret = given.pop("client_secret", None)
        metadata = self._rules.checked(given)
        if metadata["token_endpoint_auth_method"] in SECRET_METHODS:
            secret = new_secret() if secret is None else check_client_secret(secret)
        elif secret is not None:
            raise Refused("invalid_client_metadata", "client_secret is for client_secret_basic and client_secret_post")
        self._ensure_keys(*signed_with(metadata))
        with self._database.write() as tx:
            made = self._store.insert(tx, client_id, metadata, secret=secret)
        return _shown(made, secret)

    def update(self, client_id: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Change a client by merge patch (RFC 7396): null removes a member."""
        if {"client_id", "client_secret"} & patch.keys():
            raise Refused("invalid_client_metadata", "client_id stays; use rotate-secret for a new secret")
        with self._database.read() as tx:
            row = self._row(tx, client_id)
        merged = {**row.document, **patch}
        kept = {name: value for name, value in merged.items() if value is not None}
        metadata = self._rules.checked(kept, had=row.document)
        with self._database.write() as tx:
            secret = self._store.replace(tx, row, metadata)
        self._ensure_keys(*signed_with(metadata))
        return _shown({**columns(row), "document": metadata}, secret)

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
            self._store.write(tx, row, "client.secret_rotated", secrets=[stored(secret), *old[:1]])
        return _shown(columns(row), secret)

    def disable(self, client_id: str) -> dict[str, Any]:
        """Refuse everything the client asks from now on; its tokens end at once."""
        with self._database.write() as tx:
            row = self._row(tx, client_id)
            self._store.end_tokens(tx, client_id)
            self._store.write(tx, row, "client.disabled", disabled=True)
        return _shown({**columns(row), "disabled": True}, None)

    def enable(self, client_id: str) -> dict[str, Any]:
        with self._database.write() as tx:
            row = self._row(tx, client_id)
            self._store.write(tx, row, "client.enabled", disabled=False)
        return _shown({**columns(row), "disabled": False}, None)

    def delete(self, client_id: str) -> None:
        """Forget a client, what people allowed it, and end its tokens."""
        with self._database.write() as tx:
            self._row(tx, client_id)
            self._store.delete(tx, client_id)

    def show(self, client_id: str) -> dict[str, Any]:
        """The registered metadata, without any secret."""
        with self._database.read() as tx:
            return _shown(columns(self._row(tx, client_id)), None)

    def find(self, client_id: str) -> dict[str, Any] | None:
        with self._database.read() as tx:
            row = self._store.find(tx, client_id)
        return None if row is None else _shown(columns(row), None)

    def list(self) -> list[dict[str, Any]]:
        with self._database.read() as tx:
            rows = tx.execute(sa.select(ClientRow.__table__).order_by(ClientRow.client_id))
            return [_shown(columns(row), None) for row in rows]

    def _row(self, tx: sa.Connection, client_id: str) -> AnyRow:
        row = self._store.find(tx, client_id)
        if row is None:
            raise Refused("unknown", "there is no such client")
        return row


def _shown(client: Columns, secret: str | None) -> dict[str, Any]:
    document = {"client_id": client["client_id"], "client_id_issued_at": client["created_at"]}
    if secret is not None:
        document |= {"client_secret": secret, "client_secret_expires_at": 0}
    return {**document, **client["document"], "disabled": client["disabled"]}
