"""Userinfo (OpenID Connect Core §5.3): claims a token's scopes release or that were asked for by name, to its holder (RFC 6750, RFC 9449)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idp.oauth import scopes
from idp.oauth.living import LivingTokens
from idp.oauth.presented import Holders, presented, refusal
from idp.oauth.subjects import FindClient, Subjects
from idp.platform.db import Database
from idp.platform.http import Answer, Call, json_answer
from idp.tokens.store import Grants
from idp.tokens.values import AccessToken
from idp.users.claims import claim_values


@dataclass(frozen=True, slots=True)
class UserinfoEndpoint:
    """Any live token of a person with `openid` in its scope, whatever its audience."""

    living: LivingTokens
    holders: Holders
    database: Database
    grants: Grants
    find_client: FindClient
    subjects: Subjects

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
        return json_answer({**claim_values(found.person, claims), "sub": sub}, headers=headers)

    def _named(self, token: AccessToken) -> Sequence[str]:
        """The claims that the `claims` parameter asked for here (§5.5); the person allowed them."""
        with self.database.read() as tx:
            grant = self.grants.find(tx, token.grant_id or "")
        return grant.claims_request.get("userinfo", ()) if grant else ()
