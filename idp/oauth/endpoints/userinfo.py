"""Userinfo (OpenID Connect Core §5.3): claims a token's scopes release or that were asked for by name, to its holder (RFC 6750, RFC 9449)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idp.oauth import scopes
from idp.oauth.clients import Client
from idp.oauth.living import LivingTokens
from idp.oauth.presented import Holders, presented, refusal
from idp.oauth.sealing import Sealing
from idp.oauth.subjects import FindClient, Subjects
from idp.platform.db import Database
from idp.platform.http import NO_STORE, Answer, Call, json_answer
from idp.tokens.jose import Signer
from idp.tokens.store import Grants
from idp.tokens.values import AccessToken
from idp.users.claims import claim_values

_JWT = "application/jwt"


@dataclass(frozen=True, slots=True)
class UserinfoEndpoint:
    """Any live token of a person with `openid` in its scope, whatever its audience."""

    living: LivingTokens
    holders: Holders
    database: Database
    grants: Grants
    find_client: FindClient
    subjects: Subjects
    sealing: Sealing
    signer: Callable[[str], Signer]
    issuer: str

    def __call__(self, call: Call) -> Answer:
        shown = presented(call)
        found = self.living.find(shown.token)
        if found is None or found.person is None:
            raise refusal("invalid_token", "The token is not valid", scheme=shown.scheme)
        headers = self.holders.check(call, shown, found.token.cnf)
        granted = found.token.scope.split()
        if "openid" not in granted:
            raise refusal(
                "insufficient_scope", "The token has no openid scope", status=403, scheme=shown.scheme, scope="openid"
            )
        client = self.find_client(found.token.client_id)
        if client is None:
            raise refusal("invalid_token", "The token is not valid", scheme=shown.scheme)
        claims = {*scopes.claims_of(granted), *self._named(found.token)}
        sub = self.subjects.seen_by(client, found.person.sub)
        return self._answer(client, {**claim_values(found.person, claims), "sub": sub}, headers)

    def _answer(self, client: Client, claims: Mapping[str, Any], headers: Mapping[str, str] | None) -> Answer:
        """Plain JSON, or a JWT signed, encrypted or both as the client registered (§5.3.2)."""
        if client.userinfo_alg is None and client.userinfo_encryption is None:
            return json_answer(claims, headers=headers)
        self.sealing.prepare(client, client.userinfo_encryption)
        if client.userinfo_alg is None:
            text = json.dumps(claims)
        else:
            told = {**claims, "iss": self.issuer, "aud": client.client_id}
            text = self.signer(client.userinfo_alg).compose("JWT", told)
        token = self.sealing.sealed(client, client.userinfo_encryption, text, nested=client.userinfo_alg is not None)
        return Answer(200, token.encode("ascii"), {"Content-Type": _JWT, **NO_STORE, **(headers or {})})

    def _named(self, token: AccessToken) -> Sequence[str]:
        """The claims that the `claims` parameter asked for here (§5.5); the person allowed them."""
        with self.database.read() as tx:
            grant = self.grants.find(tx, token.grant_id or "")
        return grant.claims_request.get("userinfo", ()) if grant else ()
