"""Userinfo (OpenID Connect Core §5.3): the claims a token's scopes release or that were asked for by name, to whoever bears it (RFC 6750)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idp.errors import ProtocolError
from idp.oauth import scopes
from idp.oauth.living import LivingTokens
from idp.platform.db import Database
from idp.platform.forms import FORM, parse_form
from idp.platform.http import Answer, Call, json_answer
from idp.tokens.store import Grants
from idp.tokens.values import AccessToken
from idp.users.claims import claim_values


@dataclass(frozen=True, slots=True)
class UserinfoEndpoint:
    """Any live token of a person with `openid` in its scope, whatever its audience."""

    living: LivingTokens
    database: Database
    grants: Grants

    def __call__(self, call: Call) -> Answer:
        found = self.living.find(_presented(call))
        if found is None or found.person is None:
            raise _refused("invalid_token", "The token is not valid", 401)
        granted = found.token.scope.split()
        if "openid" not in granted:
            raise _refused("insufficient_scope", "The token has no openid scope", 403, scope="openid")
        claims = {*scopes.claims_of(granted), *self._named(found.token)}
        return json_answer({**claim_values(found.person, claims), "sub": found.token.sub})

    def _named(self, token: AccessToken) -> Sequence[str]:
        """The claims that the `claims` parameter asked for here (§5.5); the person allowed them."""
        with self.database.read() as tx:
            grant = self.grants.find(tx, token.grant_id or "")
        return grant.claims_request.get("userinfo", ()) if grant else ()


def _presented(call: Call) -> str:
    """The token, presented in exactly one way: header, or body of a form post (RFC 6750 §2). Never the query string."""
    in_body = call.method == "POST" and call.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
    body_token = parse_form(call).get("access_token") if in_body else None
    header = call.headers.get("authorization")
    if header is None and body_token is None:
        raise ProtocolError("", "", status=401, challenge="Bearer")
    if header is not None and body_token is not None:
        raise _refused("invalid_request", "The token is presented twice", 400)
    if header is None:
        return body_token or ""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise ProtocolError("", "", status=401, challenge="Bearer")
    return token.strip()


def _refused(code: str, description: str, status: int, *, scope: str | None = None) -> ProtocolError:
    challenge = f'Bearer error="{code}", error_description="{description}"' + (f', scope="{scope}"' if scope else "")
    return ProtocolError(code, description, status=status, challenge=challenge)
