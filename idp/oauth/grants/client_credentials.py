"""`client_credentials` (RFC 6749 §4.4): a service's own token. No database write, and no read while the client's record is fresh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.errors import ProtocolError
from idp.oauth import entitlement
from idp.oauth.details.entries import invalid
from idp.oauth.entitlement import FindResource
from idp.oauth.grants.face import TokenCall, further_claims
from idp.tokens.issuer import TokenIssuer


class ClientCredentials:
    """SPEC: `sub` is the `client_id`; OpenID scopes are for people."""

    grant_type = "client_credentials"

    def __init__(self, issuer: TokenIssuer, find_resource: FindResource, *, issuer_url: str, ttl: int) -> None:
        self._issuer = issuer
        self._find = find_resource
        self._issuer_url = issuer_url
        self._ttl = ttl

    def answer(self, call: TokenCall) -> Mapping[str, Any]:
        if "authorization_details" in call.form:
            raise invalid("A client has no authorization_details without a person who grants them")
        asked = call.form.all("resource")
        if len(asked) > 1:
            raise ProtocolError("invalid_target", "A token has exactly one audience")
        (resource,) = entitlement.audiences(call.client, asked, self._find, self._issuer_url)
        scope = entitlement.granted(call.client, call.form.get("scope"), (resource,), person=False)
        return self._issuer.service_token(
            client_id=call.client.client_id,
            audience=resource.uri,
            scope=" ".join(scope),
            ttl=resource.token_ttl or self._ttl,
            alg=resource.signing_alg,
            extra=further_claims(resource, call.sender),
        ).document()
