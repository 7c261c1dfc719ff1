"""Resources: the APIs whose tokens we issue (RFC 8707), with their scopes in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from idp.errors import Refused
from idp.oauth.exchange.models import ExchangeRuleRow
from idp.oauth.models import ResourceRow
from idp.oauth.scopes import OPENID_SCOPES
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database, insert_or_ignore
from idp.platform.generations import Snapshots, bump
from idp.tokens.status_list import LONGEST_LIFE

GENERATION = "resources"
ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
_SCOPE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}\Z")
_URI = re.compile(r"[\x21-\x7e]{1,512}\Z")
_PARTY = re.compile(r"[A-Za-z0-9._~-]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Resource:
    """One API. `scopes` maps a scope to what it lets an app do; `token_ttl` in seconds, None for the default.

    `may_act` is the client that its tokens let act for whom they speak for; None leaves it to the rules of exchange (RFC 8693 §4.4).
    """

    uri: str
    name: str
    scopes: Mapping[str, str]
    claims: tuple[str, ...] = ()
    signing_alg: str = "ES256"
    token_ttl: int | None = None
    may_act: str | None = None

    @property
    def next_actor(self) -> Mapping[str, str] | None:
        """The `may_act` claim of its tokens."""
        return {"sub": self.may_act} if self.may_act else None

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "claims": list(self.claims)}


class ResourceDirectory:
    """All resources as one immutable snapshot that follows the generation `resources`, at once for a new one."""

    def __init__(self, database: Database, issuer: str) -> None:
        self._issuer = Resource(issuer, issuer, {})
        self._known = Snapshots[Mapping[str, Resource]](database, GENERATION, _read, {})

    def reload(self) -> None:
        self._known.renew()

    def find(self, uri: str) -> Resource | None:
        """The resource of this identifier; the issuer is one of its own."""
        if uri == self._issuer.uri:
            return self._issuer
        return self._known.find(lambda known: known.get(uri))

    def all(self) -> Iterable[Resource]:
        return self._known.latest.values()


def _read(tx: sa.Connection) -> Mapping[str, Resource]:
    return {row.uri: _resource(row) for row in tx.execute(sa.select(ResourceRow.__table__))}


class ResourceAdmin:
    """What the command line may do with resources; refusals are `Refused`."""

    def __init__(self, database: Database, audit: Audit, issuer: str, ensure_key: Any) -> None:
        self._database = database
        self._audit = audit
        self._issuer = issuer
        self._ensure_key = ensure_key

    def create(
        self,
        *,
        uri: str,
        name: str | None = None,
        scopes: Mapping[str, str] | None = None,
        claims: Sequence[str] = (),
        signing_alg: str = "ES256",
        token_ttl: int | None = None,
        may_act: str | None = None,
    ) -> Resource:
        """Register an API."""
        given = Resource(uri, name or uri, dict(scopes or {}), tuple(claims), signing_alg, token_ttl, may_act)
        resource = self._checked(given)
        self._ensure_key(signing_alg)
        with self._database.write() as tx:
            if not insert_or_ignore(tx, ResourceRow, resource.document()):
                raise Refused("exists", "there is a resource of this identifier already")
            self._changed(tx, "resource.created", uri)
        return resource

    def update(self, uri: str, **changes: Any) -> Resource:
        """Change a registered API."""
        resource = self._checked(replace(self.show(uri), **changes))
        self._ensure_key(resource.signing_alg)
        with self._database.write() as tx:
            values = resource.document()
            tx.execute(sa.update(ResourceRow).where(ResourceRow.uri == uri).values(**values))
            self._changed(tx, "resource.updated", uri)
        return resource

    def delete(self, uri: str) -> None:
        """Forget an API: no more tokens are issued for it."""
        with self._database.write() as tx:
            if tx.execute(sa.delete(ResourceRow).where(ResourceRow.uri == uri)).rowcount != 1:
                raise Refused("unknown", "there is no such resource")
            tx.execute(sa.delete(ExchangeRuleRow).where(ExchangeRuleRow.audience == uri))
            self._changed(tx, "resource.deleted", uri)

    def show(self, uri: str) -> Resource:
        found = self.find(uri)
        if found is None:
            raise Refused("unknown", "there is no such resource")
        return found

    def find(self, uri: str) -> Resource | None:
        with self._database.read() as tx:
            row = tx.execute(sa.select(ResourceRow.__table__).where(ResourceRow.uri == uri)).one_or_none()
        return None if row is None else _resource(row)

    def list(self) -> list[Resource]:
        with self._database.read() as tx:
            return [_resource(row) for row in tx.execute(sa.select(ResourceRow.__table__).order_by(ResourceRow.uri))]

    def _changed(self, tx: sa.Connection, event: str, uri: str) -> None:
        bump(tx, GENERATION)
        self._audit.append(tx, event, resource=uri)

    def _checked(self, resource: Resource) -> Resource:
        if not _is_identifier(resource.uri):
            raise Refused("uri", "a resource identifier is an absolute URI without a fragment")
        if resource.uri == self._issuer:
            raise Refused("uri", "the issuer is a resource of its own")
        if not all(words.isprintable() for words in (resource.name, *resource.scopes.values())):
            raise Refused("name", "names and descriptions have no control characters")
        if resource.signing_alg not in ALGORITHMS:
            raise Refused("signing_alg", f"algorithms are {', '.join(ALGORITHMS)}")
        if resource.token_ttl is not None and not 1 <= resource.token_ttl <= LONGEST_LIFE:
            raise Refused("token_ttl", f"a token lives 1 to {LONGEST_LIFE} seconds")
        if not set(resource.claims) <= {"roles"}:
            raise Refused("claim", "a resource can ask for the claim roles")
        if resource.may_act and not _PARTY.match(resource.may_act):
            raise Refused("may_act", "may_act is a client_id")
        for scope in resource.scopes:
            if not _SCOPE.match(scope) or scope in OPENID_SCOPES:
                raise Refused("scope", f"{scope[:64]} cannot be a scope of a resource")
        return replace(resource, may_act=resource.may_act or None)


def _is_identifier(uri: str) -> bool:
    """An absolute URI without a fragment (RFC 8707 §2)."""
    try:
        url = urlsplit(uri)
    except ValueError:
        return False
    return bool(_URI.match(uri) and url.scheme and (url.netloc or url.path) and "#" not in uri)


def _resource(row: AnyRow) -> Resource:
    return Resource(row.uri, row.name, row.scopes, tuple(row.claims), row.signing_alg, row.token_ttl, row.may_act)
