"""Whether a token still holds: what introspection and userinfo ask of the database at every request."""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa

from idp.oauth.grants.face import People
from idp.oauth.models import ClientRow
from idp.platform.db import Database
from idp.tokens import lineage
from idp.tokens.access import AccessTokens
from idp.tokens.revocations import Revocations
from idp.tokens.store import Grants
from idp.tokens.values import AccessToken
from idp.users.people import Person

_DISABLED = sa.select(ClientRow.disabled).where(ClientRow.client_id == sa.bindparam("client_id"))


@dataclass(frozen=True, slots=True)
class Living:
    """A token that holds, and the person it speaks for, if one."""

    token: AccessToken
    person: Person | None

    @property
    def sub(self) -> str:
        """The public identifier of whom it speaks for, whatever the token calls them."""
        return self.person.sub if self.person else self.token.sub


@dataclass(frozen=True, slots=True)
class LivingTokens:
    """Reads access tokens: signature, expiry, revocations, and the flags of client and person, fresh from the database."""

    database: Database
    access_tokens: AccessTokens
    revocations: Revocations
    grants: Grants
    people: People

    def find(self, presented: str) -> Living | None:
        """The token when it holds in every respect, else None."""
        token = self.access_tokens.read(presented)
        if token is None:
            return None
        with self.database.read() as tx:
            return self.examine(tx, token)

    def examine(self, tx: sa.Connection, token: AccessToken) -> Living | None:
        """A token that was read: the same question within a transaction."""
        if not is_enabled(tx, token.client_id) or self.revocations.is_revoked(tx, token, None):
            return None
        if lineage.exchanges(token.jti) and not self._origin_holds(tx, token):
            return None
        person = self.people.find_tx(tx, token.sub) if token.grant_id else None
        if token.grant_id and (person is None or person.disabled or not _has_roles(person, token)):
            return None
        return Living(token, person)

    def _origin_holds(self, tx: sa.Connection, token: AccessToken) -> bool:
        """Whether nothing it was exchanged from was revoked, and the client that was first given a token is still served (RFC 8693)."""
        first, *between = lineage.ancestors(token.jti)
        grant = self.grants.find(tx, token.grant_id) if token.grant_id else None
        if token.grant_id and grant is None:
            return False
        origin = replace(token, jti=first, client_id=grant.client_id if grant else token.sub)
        if not is_enabled(tx, origin.client_id) or self.revocations.is_revoked(tx, origin, None):
            return False
        return not any(self.revocations.is_token_revoked(tx, jti) for jti in between)


def _has_roles(person: Person, token: AccessToken) -> bool:
    """Whether the person still has every role that the token says they have."""
    return set(token.claims.get("roles", ())) <= set(person.roles)


def is_enabled(tx: sa.Connection, client_id: str) -> bool:
    """Whether there is such a client and it is served, as this transaction sees it."""
    return tx.execute(_DISABLED, {"client_id": client_id}).scalar() is False
