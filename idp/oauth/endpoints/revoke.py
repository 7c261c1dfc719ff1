"""Token revocation (RFC 7009): a refresh token ends its family, an access token ends alone; a stranger's token changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth import clients
from idp.oauth.client_auth import ClientAuthenticator
from idp.oauth.clients import Client
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.forms import parse_form
from idp.platform.http import NO_STORE, Answer, Call
from idp.tokens.access import AccessTokens
from idp.tokens.refresh import RefreshTokens
from idp.tokens.revocations import Revocations
from idp.tokens.store import Grants

_DONE = Answer(200, b"", NO_STORE)  # no Content-Type: some clients refuse an empty answer that has one


@dataclass(frozen=True, slots=True)
class RevocationEndpoint:
    """The answer never tells whether the token existed."""

    authenticator: ClientAuthenticator
    database: Database
    clock: Clock
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    grants: Grants
    revocations: Revocations
    audit: Audit

    def __call__(self, call: Call) -> Answer:
        form = parse_form(call)
        client = self.authenticator.authenticate(call, form)
        token = form.require("token")
        with self.database.write() as tx:
            if not self._end_family(tx, client, token):
                self._end_access_token(tx, client, token)
        return _DONE

    def _end_family(self, tx: sa.Connection, client: Client, token: str) -> bool:
        grant_id = self.refresh_tokens.family(tx, token, client.client_id)
        if grant_id is None:
            return False
        self.grants.end(tx, grant_id)
        self.audit.append(tx, "refresh_token.revoked", client_id=client.client_id, grant=grant_id)
        return True

    def _end_access_token(self, tx: sa.Connection, client: Client, token: str) -> None:
        """Its grant, or for a client's own token the client, is locked: nobody exchanges the token meanwhile."""
        read = self.access_tokens.read(token)
        if read is None or read.client_id != client.client_id:
            return
        if read.grant_id:
            self.grants.lock(tx, read.grant_id)
        else:
            clients.lock(tx, read.client_id)
        self.revocations.add_token(tx, read, since=self.clock.precise(), now=self.clock.now())
        self.audit.append(tx, "access_token.revoked", client_id=client.client_id, jti=read.jti)
