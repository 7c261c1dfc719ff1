"""Token introspection (RFC 7662): the whole truth to those who may see a token, `{"active": false}` to everybody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from idp.errors import ProtocolError
from idp.oauth.client_auth import ClientAuthenticator
from idp.oauth.clients import Client
from idp.oauth.living import Living, LivingTokens
from idp.oauth.subjects import Subjects
from idp.platform.db import Database
from idp.platform.forms import parse_form
from idp.platform.http import Answer, Call, json_answer
from idp.tokens.refresh import LivingRefreshToken, RefreshTokens
from idp.tokens.values import token_type_of
from idp.users.people import Person

_COPIED = (
    *("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "auth_time", "acr", "amr", "roles"),
    *("act", "may_act", "authorization_details", "cnf"),
)
_INACTIVE = {"active": False}


@dataclass(frozen=True, slots=True)
class IntrospectionEndpoint:
    """Confidential clients only: whoever asks has proven to be somebody."""

    authenticator: ClientAuthenticator
    living: LivingTokens
    database: Database
    refresh_tokens: RefreshTokens
    subjects: Subjects
    issuer: str

    def __call__(self, call: Call) -> Answer:
        form = parse_form(call)
        client = self.authenticator.authenticate(call, form)
        if client.is_public:
            raise ProtocolError("invalid_client", "Client authentication failed", status=401, detail="public client")
        token = form.require("token")
        found = self.living.find(token)
        if found is not None:
            return json_answer(_shown(found) if _may_see(client, found) else _INACTIVE)
        return json_answer(self._refresh_token(client, token))

    def _refresh_token(self, client: Client, token: str) -> dict[str, Any]:
        with self.database.read() as tx:
            found = self.refresh_tokens.living(tx, token, client.client_id)
            person = self.living.people.find_tx(tx, found.sub) if found else None
        if found is None or person is None or person.disabled:
            return _INACTIVE
        return _refresh_document(found, self.subjects.seen_by(client, found.sub), person, self.issuer)


def _may_see(client: Client, found: Living) -> bool:
    """The client it was issued to, and those who introspect for its resource (RFC 7662 §4)."""
    return found.token.client_id == client.client_id or found.token.audience in client.introspects


def _shown(found: Living) -> dict[str, Any]:
    claims = found.token.claims
    shown = {name: claims[name] for name in _COPIED if name in claims}
    document = {"active": True, "token_type": token_type_of(claims), **shown}
    if found.person is not None:
        document["username"] = found.person.username
    return document


def _refresh_document(found: LivingRefreshToken, sub: str, person: Person, issuer: str) -> dict[str, Any]:
    return {
        "active": True,
        "token_type": "refresh_token",
        "iss": issuer,
        "sub": sub,
        "client_id": found.client_id,
        "scope": found.scope,
        "exp": found.expires_at,
        "iat": found.issued_at,
        "username": person.username,
        **({"cnf": found.cnf} if found.cnf else {}),
    }
