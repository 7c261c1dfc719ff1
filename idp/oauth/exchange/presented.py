"""The tokens a client presents to have them exchanged: ours, living, and such as this client may present (RFC 8693 §2.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth.clients import hold_served
from idp.oauth.living import Living, LivingTokens
from idp.tokens.identity import IdTokenHint
from idp.tokens.store import Grants
from idp.tokens.values import AccessToken, Grant

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - the name of a type
ReadIdToken = Callable[[str], IdTokenHint | None]
SessionAlive = Callable[[sa.Connection, str], bool]


@dataclass(frozen=True, slots=True)
class PresentedTokens:
    """Finds what a presented token stands for, as the transaction sees it; None for one that does not hold in every respect."""

    living: LivingTokens
    grants: Grants
    read_id_token: ReadIdToken
    session_alive: SessionAlive
    issuer: str
    clock: Clock

    def subject(self, tx: sa.Connection, token: str, kind: str, client_id: str) -> Living | None:
        """Whom the new token will speak for. A token for the issuer itself, and so every ID token, is its own client's to present alone."""
        if kind == ID_TOKEN:
            return self._id_token(tx, token, client_id)
        found = self._access_token(tx, token)
        if found is not None and found.token.audience == self.issuer and found.token.client_id != client_id:
            return None
        return found

    def actor(self, tx: sa.Connection, token: str, client_id: str) -> Living | None:
        """Who will act: the client, or a person it has a token of. Nobody acts by a token of another client or an exchanged one."""
        found = self._access_token(tx, token)
        if found is None or found.token.client_id != client_id or "act" in found.token.claims:
            return None
        return found

    def _access_token(self, tx: sa.Connection, token: str) -> Living | None:
        """Held before it is examined: whoever ends its clients or its grant now waits, and then finds what it was exchanged for."""
        read = self.living.access_tokens.read(token)
        if read is None:
            return None
        if read.grant_id:
            self.grants.hold(tx, read.grant_id)
        clients = {read.client_id} if read.grant_id else {read.client_id, read.sub}
        return self.living.examine(tx, read) if all(hold_served(tx, one) for one in clients) else None

    def _id_token(self, tx: sa.Connection, token: str, client_id: str) -> Living | None:
        """A login as the person's newest grant to this client in the same session, which must still hold."""
        read = self.read_id_token(token)
        if read is None or read.client_id != client_id or read.sid is None or read.expires_at <= self.clock.now():
            return None
        newest = self.grants.newest(tx, read.sid, client_id)
        grant = newest and self.grants.hold(tx, newest.id)
        if grant is None or not self.grants.holds(tx, grant) or not self.session_alive(tx, read.sid):
            return None
        return self.living.examine(tx, _as_access_token(grant, read, self.issuer))


def _as_access_token(grant: Grant, read: IdTokenHint, issuer: str) -> AccessToken:
    """What a login amounts to: a token for the issuer itself, without any scope."""
    return AccessToken(
        jti=f"{grant.id}.id",
        grant_id=grant.id,
        sub=grant.sub,
        client_id=grant.client_id,
        audience=issuer,
        scope="",
        issued_at=grant.auth_time,
        expires_at=read.expires_at,
        kid="",
        claims={"auth_time": grant.auth_time, "acr": grant.acr, "amr": list(grant.amr)},
    )
