"""Whether a token still holds: what introspection and userinfo ask of the database at every request."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from idp.oauth.clients import ClientDirectory
from idp.oauth.grants.face import People
from idp.oauth.models import ClientRow
from idp.platform.db import Database
from idp.tokens.access import AccessTokens
from idp.tokens.revocations import Revocations
from idp.tokens.values import AccessToken
from idp.users.people import Person

_DISABLED = sa.select(ClientRow.disabled).where(ClientRow.client_id == sa.bindparam("client_id"))


@dataclass(frozen=True, slots=True)
class Living:
    """A token that holds, and the person it speaks for, if one."""

    token: AccessToken
    person: Person | None


@dataclass(frozen=True, slots=True)
class LivingTokens:
    """Reads access tokens: signature, expiry, revocations, and the flags of client and person, fresh from the database."""

    database: Database
    access_tokens: AccessTokens
    revocations: Revocations
    clients: ClientDirectory
    people: People

    def find(self, presented: str) -> Living | None:
        """The token when it holds in every respect, else None."""
        token = self.access_tokens.read(presented)
        if token is None:
            return None
        with self.database.read() as tx:
            if not _is_enabled(tx, token.client_id) or self.revocations.is_revoked(tx, token, None):
                return None
            person = self.people.find_tx(tx, token.sub) if token.grant_id else None
        if token.grant_id and (person is None or person.disabled):
            return None
        return Living(token, person)


def _is_enabled(tx: sa.Connection, client_id: str) -> bool:
    return tx.execute(_DISABLED, {"client_id": client_id}).scalar() is False
