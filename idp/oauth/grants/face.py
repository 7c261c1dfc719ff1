"""What every grant is, and what grants that speak for a person share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from idp.errors import ProtocolError
from idp.oauth import entitlement, response_types
from idp.oauth.clients import Client
from idp.oauth.entitlement import FindResource
from idp.oauth.resources import Resource
from idp.platform.forms import Form
from idp.tokens.issuer import TokenIssuer
from idp.tokens.values import Grant, TokenAnswer
from idp.users.people import Person


@dataclass(frozen=True, slots=True)
class TokenCall:
    """A token request: its parameters, the client that proved itself, and where it came from."""

    form: Form
    client: Client
    peer: str


class TokenGrant(Protocol):
    """One grant type: from a token request to the token response (RFC 6749 §5.1)."""

    grant_type: str

    def answer(self, call: TokenCall) -> Mapping[str, Any]: ...


class People(Protocol):
    """Where grants look people up, as the transaction sees them."""

    def find_tx(self, tx: sa.Connection, sub: str) -> Person | None: ...


@dataclass(frozen=True, slots=True)
class PersonalTokens:
    """Mints the tokens of a person's grant for the audience and scope a request asks for."""

    issuer: TokenIssuer
    issuer_url: str
    find_resource: FindResource
    access_token_ttl: int

    def resource(self, grant: Grant, asked: tuple[str, ...]) -> Resource:
        """The one audience of the next token: the asked one, else the grant's first; raises `invalid_target` (RFC 8707 §2.2)."""
        if len(asked) > 1:
            raise ProtocolError("invalid_target", "A token has exactly one audience")
        uri = asked[0] if asked else grant.audiences[0]
        resource = self.find_resource(uri) if uri in grant.audiences else None
        if resource is None:
            raise ProtocolError("invalid_target", "The resource was not authorized")
        return resource

    def mint(
        self,
        grant: Grant,
        client: Client,
        person: Person,
        *,
        resource: Resource,
        scope: tuple[str, ...],
        refresh_token: str | None,
    ) -> TokenAnswer:
        """Access token, and an ID token when `openid` is among the scopes."""
        id_token_alg = client.id_token_alg if "openid" in scope else None
        return self._tokens(grant, person, resource, scope, id_token_alg=id_token_alg, refresh_token=refresh_token)

    def front_channel(
        self, grant: Grant, client: Client, person: Person, *, response_type: str, code: str | None, state: str | None
    ) -> dict[str, str]:
        """The tokens of an authorization response; its ID token vouches for all that comes with it (OpenID Connect Core §3.3.2.11)."""
        answer: dict[str, str] = {}
        hashed = {"c_hash": code, "s_hash": state}
        if response_types.returns_access_token(response_type):
            resource = self.resource(grant, ())
            scope = self.scope(grant, None, resource)
            tokens = self._tokens(grant, person, resource, scope, id_token_alg=None, refresh_token=None)
            answer = {name: str(value) for name, value in tokens.document().items()}
            hashed["at_hash"] = tokens.access_token
        if response_types.returns_id_token(response_type):
            given = {name: value for name, value in hashed.items() if value is not None}
            answer["id_token"] = self.issuer.id_token(grant, alg=client.id_token_alg, hashed=given, claims={})
        return answer

    def _tokens(
        self,
        grant: Grant,
        person: Person,
        resource: Resource,
        scope: tuple[str, ...],
        *,
        id_token_alg: str | None,
        refresh_token: str | None,
    ) -> TokenAnswer:
        return self.issuer.grant_tokens(
            grant,
            audience=resource.uri,
            scope=" ".join(scope),
            ttl=resource.token_ttl or self.access_token_ttl,
            alg=resource.signing_alg,
            roles=person.roles if "roles" in resource.claims else None,
            id_token_alg=id_token_alg,
            refresh_token=refresh_token,
            extra={} if resource.next_actor is None else {"may_act": resource.next_actor},
        )

    def scope(self, grant: Grant, asked: str | None, resource: Resource) -> tuple[str, ...]:
        return entitlement.for_token(grant.scope, asked, resource)
