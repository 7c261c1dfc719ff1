"""Clients as the protocol sees them: frozen, prepared once, cached by every process and fresh within two seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

import sqlalchemy as sa
from joserfc.jwk import KeySet

from idp.oauth import response_types
from idp.oauth.encryption import Encryption, wanted
from idp.oauth.models import ClientRow
from idp.oauth.profiles import PROFILES, Profile
from idp.oauth.sectors import sector_of
from idp.platform.db import AnyRow, Database

GENERATION = "clients"
_KNOWN, _UNKNOWN = 10_000, 1_000
_FIND = sa.select(ClientRow.__table__).where(ClientRow.client_id == sa.bindparam("this"))
_HOLD = _FIND.with_for_update(read=True)
_DISABLED = sa.select(ClientRow.disabled).where(ClientRow.client_id == sa.bindparam("this"))
_HOLD_DISABLED = _DISABLED.with_for_update(read=True)
_LOCK_DISABLED = _DISABLED.with_for_update()
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """One valid secret: its digest, and when it ends (0: never)."""

    digest: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Client:
    """One client (RFC 7591 §2).

    `login_methods` are the ways people may sign in for it, empty for all; with `second_factor` they need two factors.
    `scope` None: not registered, so the defaults of CONTRACT hold. `sector` None: it sees the public `sub` of people. `userinfo_alg` None:
    userinfo is plain JSON, unless it is encrypted.
    """

    client_id: str
    name: str
    secrets: tuple[ClientSecret, ...]
    auth_method: str
    assertion_alg: str | None
    jwks: KeySet | None
    jwks_uri: str | None
    profile: Profile
    application_type: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    grant_types: frozenset[str]
    response_types: frozenset[str]
    scope: tuple[str, ...] | None
    audiences: tuple[str, ...]
    introspects: frozenset[str]
    trusted: bool
    login_methods: tuple[str, ...]
    second_factor: bool
    sector: str | None
    id_token_alg: str
    id_token_encryption: Encryption | None
    userinfo_alg: str | None
    userinfo_encryption: Encryption | None
    default_max_age: int | None
    default_acr_values: tuple[str, ...]
    scope_claims_in_id_token: bool
    dpop_bound: bool
    certificate_bound: bool
    request_uris: frozenset[str]
    request_object_alg: str | None
    require_signed_request_object: bool
    details_types: frozenset[str]
    disabled: bool
    metadata: Mapping[str, Any]

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret (RFC 6749 §2.1)."""
        return self.auth_method == "none"


class ClientDirectory:
    """Looks clients up: from a bounded cache, or fresh within a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._known: OrderedDict[str, Client] = OrderedDict()
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._epoch = 0

    def get(self, client_id: str) -> Client | None:
        """The client, as of at most two seconds ago; a disabled one too."""
        client = self._known.get(client_id)
        if client is not None:
            return client
        if client_id in self._unknown or len(client_id) > 255:
            return None
        epoch = self._epoch
        with self._database.read() as tx:
            found = self.get_tx(tx, client_id)
        self._remember(client_id, found, epoch)
        return found

    def get_tx(self, tx: sa.Connection, client_id: str) -> Client | None:
        """The client as this transaction sees it."""
        row = tx.execute(_FIND, {"this": client_id}).one_or_none()
        return None if row is None else client_of(row)

    def hold(self, tx: sa.Connection, client_id: str) -> Client | None:
        """The client, unless it is disabled; nobody changes it before this transaction ends."""
        row = tx.execute(_HOLD, {"this": client_id}).one_or_none()
        return None if row is None or row.disabled else client_of(row)

    def forget(self) -> None:
        """Drop the cache: something changed."""
        with self._lock:
            self._epoch += 1
            self._known.clear()
            self._unknown.clear()

    def _remember(self, client_id: str, client: Client | None, epoch: int) -> None:
        with self._lock:
            if epoch != self._epoch:
                return  # read before the last change: not to be kept
            if client is None:
                _put(self._unknown, client_id, None, _UNKNOWN)
            else:
                _put(self._known, client_id, client, _KNOWN)


def _put(cache: OrderedDict[str, _V], key: str, value: _V, cap: int) -> None:
    cache[key] = value
    if len(cache) > cap:
        cache.popitem(last=False)


def hold_served(tx: sa.Connection, client_id: str) -> bool:
    """Whether the client is there and not disabled: whoever changes that waits until this transaction ends, and then finds what it gave."""
    return tx.execute(_HOLD_DISABLED, {"this": client_id}).scalar() is False


def lock(tx: sa.Connection, client_id: str) -> None:
    """Let nobody give the client anything until this transaction ends."""
    tx.execute(_LOCK_DISABLED, {"this": client_id})


def client_of(row: AnyRow) -> Client:
    """The prepared client of a row; its metadata was checked when it was registered."""
    metadata: Mapping[str, Any] = row.document
    scope = metadata.get("scope")
    return Client(
        client_id=row.client_id,
        name=metadata.get("client_name") or row.client_id,
        secrets=tuple(ClientSecret(secret["digest"], secret["expires_at"]) for secret in row.secrets),
        auth_method=metadata["token_endpoint_auth_method"],
        assertion_alg=metadata.get("token_endpoint_auth_signing_alg"),
        jwks=KeySet.import_key_set(metadata["jwks"]) if "jwks" in metadata else None,
        jwks_uri=metadata.get("jwks_uri"),
        profile=PROFILES[metadata["security_profile"]],
        application_type=metadata.get("application_type", "web"),
        redirect_uris=tuple(metadata.get("redirect_uris", ())),
        post_logout_redirect_uris=tuple(metadata.get("post_logout_redirect_uris", ())),
        grant_types=frozenset(metadata["grant_types"]),
        response_types=frozenset(map(response_types.normal, metadata["response_types"])),
        scope=None if scope is None else tuple(scope.split()),
        audiences=tuple(metadata.get("audience", ())),
        introspects=frozenset(metadata.get("introspects", ())),
        trusted=metadata.get("consent") == "trusted",
        login_methods=tuple(metadata.get("login_methods", ())),
        second_factor=metadata.get("second_factor") == "required",
        sector=sector_of(metadata),
        id_token_alg=metadata.get("id_token_signed_response_alg", "RS256"),
        id_token_encryption=wanted(metadata, "id_token"),
        userinfo_alg=metadata.get("userinfo_signed_response_alg"),
        userinfo_encryption=wanted(metadata, "userinfo"),
        default_max_age=metadata.get("default_max_age"),
        default_acr_values=tuple(metadata.get("default_acr_values", ())),
        scope_claims_in_id_token=metadata.get("scope_claims_in_id_token", False),
        dpop_bound=metadata.get("dpop_bound_access_tokens", False),
        certificate_bound=metadata.get("tls_client_certificate_bound_access_tokens", False),
        request_uris=frozenset(metadata.get("request_uris", ())),
        request_object_alg=metadata.get("request_object_signing_alg"),
        require_signed_request_object=metadata.get("require_signed_request_object", False),
        details_types=frozenset(metadata.get("authorization_details_types", ())),
        disabled=row.disabled,
        metadata=metadata,
    )
