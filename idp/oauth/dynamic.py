"""Dynamic client registration (RFC 7591) and its management (RFC 7592): what strangers may do, on the terms of the operator."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import ProtocolError, Refused
from idp.oauth import scopes
from idp.oauth.client_store import ClientStore, Columns, columns
from idp.oauth.registration import kind_of
from idp.oauth.registration.answers import signed_with
from idp.oauth.registration.credentials import SECRET_METHODS
from idp.oauth.registration.operator import OPERATOR_FIELDS
from idp.oauth.registration.rules import Rules
from idp.oauth.registration_tokens import RegistrationTokens
from idp.oauth.software_statements import SoftwareStatements
from idp.platform.db import AnyRow, Database
from idp.platform.ids import digest, new_id, new_secret

_NOTHING = (None, "")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator grants clients that register themselves; `services`: whether they may act without a person."""

    profile: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    services: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """A client as its owner may see it: its columns, its management token, and its secret where it is new."""

    client: Columns
    token: str
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class DynamicRegistration:
    """Registers, reads, replaces and deletes; `tokens` None: everybody may register. Refusals are `Refused` or `ProtocolError`."""

    database: Database
    clock: Clock
    store: ClientStore
    tokens: RegistrationTokens | None
    statements: SoftwareStatements
    terms: Terms
    ensure_keys: Callable[..., None]
    rules: Rules

    def admit(self, initial_token: str | None) -> None:
        """Let in who may register now; raises 401 for everybody else (RFC 7591 §3)."""
        if self.tokens is not None and (initial_token is None or not self.tokens.is_usable(initial_token)):
            raise unauthorized(initial_token)

    def register(self, document: Mapping[str, Any], initial_token: str | None, peer: str) -> Registered:
        """A new client on our terms; uses the token up once."""
        metadata = self._metadata(document, {})
        needs_secret = metadata["token_endpoint_auth_method"] in SECRET_METHODS
        secret, token = new_secret() if needs_secret else None, new_secret()
        self.ensure_keys(*signed_with(metadata))
        with self.database.write() as tx:
            used = self.tokens.consume(tx, initial_token or "") if self.tokens else None
            if self.tokens is not None and used is None:
                raise unauthorized(initial_token)
            client = self.store.insert(
                tx,
                new_id(self.clock.precise()),
                metadata,
                secret=secret,
                detail={"peer": peer, "registration_token": used},
                registration_digest=digest(token),
                software_statement=_statement(document),
            )
        return Registered(client, token, secret)

    def read(self, client_id: str, token: str | None) -> Registered:
        """The client's own record (RFC 7592 §2.1)."""
        with self.database.read() as tx:
            return Registered(columns(self._mine(tx, client_id, token)), token or "")

    def replace(self, client_id: str, token: str | None, document: Mapping[str, Any], peer: str) -> Registered:
        """All new metadata; what is left out goes back to its default (RFC 7592 §2.2)."""
        with self.database.read() as tx:
            row = self._mine(tx, client_id, token)
        if document.get("client_id") != client_id:
            raise Refused("invalid_client_metadata", "client_id must be the one of this client (RFC 7592 2.2)")
        if "client_secret" in document and not _holds(row, document["client_secret"]):
            raise Refused("invalid_client_metadata", "client_secret must be the current one (RFC 7592 2.2)")
        metadata, statement = self._metadata(document, row.document), _statement(document)
        self.ensure_keys(*signed_with(metadata))
        with self.database.write() as tx:
            secret = self.store.replace(tx, row, metadata, detail={"peer": peer}, software_statement=statement)
        changed = {**columns(row), "document": metadata, "software_statement": statement}
        return Registered(changed, token or "", secret)

    def delete(self, client_id: str, token: str | None, peer: str) -> None:
        """Forget the client and end all it holds (RFC 7592 §2.3)."""
        with self.database.write() as tx:
            self._mine(tx, client_id, token)
            self.store.delete(tx, client_id, detail={"peer": peer})

    def _mine(self, tx: sa.Connection, client_id: str, token: str | None) -> AnyRow:
        """The client whose management token this is: each token opens one client (RFC 7592 §3)."""
        row = self.store.find(tx, client_id)
        known = (row.registration_digest if row is not None else None) or ""
        if row is None or not hmac.compare_digest(known, digest(token or "")):
            raise unauthorized(token)
        if row.disabled:
            raise ProtocolError("access_denied", "The client is disabled", status=403)
        return row

    def _metadata(self, document: Mapping[str, Any], had: Mapping[str, Any]) -> dict[str, Any]:
        """What is said, what a software statement says instead (RFC 7591 §2.3), on our terms; what is unknown is left out (§2).

        What an operator has decided about the client since stays decided.
        """
        said, statement = _said(document), _statement(document)
        if statement is not None:
            said |= _said(self.statements.claims(statement))
        decided = self._operators(had)
        profile = decided["security_profile"]
        metadata = {**self.rules.checked({**said, "security_profile": profile}, had=had), **decided}
        may_serve = self.terms.services or "client_credentials" in had.get("grant_types", ())
        if "client_credentials" in metadata["grant_types"] and not may_serve:
            raise Refused("invalid_client_metadata", "grant_types: only an operator can register a service")
        return {**metadata, "scope": self._scope(metadata, had)}

    def _operators(self, had: Mapping[str, Any]) -> dict[str, Any]:
        if had:
            return {name: value for name, value in had.items() if name in OPERATOR_FIELDS}
        audience = {"audience": list(self.terms.audience)} if self.terms.audience else {}
        return {"security_profile": self.terms.profile, **audience}

    def _scope(self, metadata: Mapping[str, Any], had: Mapping[str, Any]) -> str:
        """The most it may ask for: what it wants of our terms, and of what it has already."""
        allowed = dict.fromkeys((*self.terms.scope, *scopes.parse(had.get("scope"))))
        narrowed = scopes.narrow(scopes.parse(metadata.get("scope")), allowed)
        lasting = "refresh_token" in metadata["grant_types"]
        left = [scope for scope in narrowed if lasting or scope != "offline_access"]
        if not left:
            raise Refused("invalid_client_metadata", "scope: none of these can be registered here")
        return scopes.text(left)


def unauthorized(token: str | None) -> ProtocolError:
    """RFC 6750 §3: a bare challenge where no token was sent, `invalid_token` where it is not good."""
    if token is None:
        return ProtocolError("", "", status=401, challenge="Bearer")
    description = "The token is not valid"
    challenge = f'Bearer error="invalid_token", error_description="{description}"'
    return ProtocolError("invalid_token", description, status=401, challenge=challenge)


def _said(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members we know and a client may decide; null and empty count as not said."""
    return {
        name: value
        for name, value in document.items()
        if kind_of(name) is not None and name not in OPERATOR_FIELDS and value not in _NOTHING
    }


def _statement(document: Mapping[str, Any]) -> Any:
    statement = document.get("software_statement")
    return None if statement in _NOTHING else statement


def _holds(row: AnyRow, secret: Any) -> bool:
    given = digest(secret) if isinstance(secret, str) else ""
    return any(hmac.compare_digest(one["digest"], given) for one in row.secrets)
