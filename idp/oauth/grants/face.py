"""What every grant is, and what grants that speak for a person share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from idp.errors import ProtocolError
from idp.oauth import entitlement, response_types, scopes
from idp.oauth.clients import Client
from idp.oauth.details.entries import Entry
from idp.oauth.details.types import DetailsTypes
from idp.oauth.entitlement import FindResource
from idp.oauth.resources import Resource
from idp.oauth.sealing import Sealing
from idp.oauth.sender import BEARER, Sender
from idp.oauth.subjects import Subjects
from idp.platform.forms import Form
from idp.tokens.issuer import TokenIssuer
from idp.tokens.status_list import StatusClaim
from idp.tokens.status_list_indexes import Reservation
from idp.tokens.values import Grant, TokenAnswer
from idp.users.claims import claim_values
from idp.users.people import Person

_NONE: Mapping[str, Any] = {}


class TokenCall(NamedTuple):
    """A token request: its parameters, the client that proved itself, where it came from, and the keys its sender proved to hold."""

    form: Form
    client: Client
    peer: str
    sender: Sender


class TokenGrant(Protocol):
    """One grant type: from a token request to the token response (RFC 6749 §5.1)."""

    grant_type: str

    def answer(self, call: TokenCall) -> Mapping[str, Any]: ...


class People(Protocol):
    """Where grants look people up, as the transaction sees them."""

    def find_tx(self, tx: sa.Connection, sub: str) -> Person | None: ...


def further_claims(resource: Resource, sender: Sender) -> Mapping[str, Any]:
    """What an access token says beside whom it is for: who may act with it next, and what it is bound to."""
    return sender.claims if resource.next_actor is None else {"may_act": resource.next_actor, **sender.claims}


@dataclass(frozen=True, slots=True)
class PersonalTokens:
    """Mints the tokens of a person's grant for the audience and scope a request asks for."""

    issuer: TokenIssuer
    issuer_url: str
    find_resource: FindResource
    subjects: Subjects
    sealing: Sealing
    access_token_ttl: int
    details_types: DetailsTypes

    def resource(self, grant: Grant, asked: tuple[str, ...]) -> Resource:
        """The one audience of the next token: the asked one, else the grant's first; raises `invalid_target` (RFC 8707 §2.2)."""
        if len(asked) > 1:
            raise ProtocolError("invalid_target", "A token has exactly one audience")
        uri = asked[0] if asked else grant.audiences[0]
        resource = self.find_resource(uri) if uri in grant.audiences else None
        if resource is None:
            raise ProtocolError("invalid_target", "The resource was not authorized")
        return resource

    def prepare(self, client: Client) -> None:
        """Have at hand what the client's ID tokens need; it may be fetched, so before any transaction begins."""
        self.sealing.prepare(client, client.id_token_encryption)

    def reserve(self, client: Client) -> Reservation:
        """An index for the next token, to be attached to the grant in the transaction that decides; ask for it before that begins."""
        self.prepare(client)
        return self.issuer.indexes.reserve()

    def mint(
        self,
        grant: Grant,
        client: Client,
        person: Person,
        *,
        resource: Resource,
        scope: tuple[str, ...],
        details: tuple[Entry, ...],
        status: StatusClaim,
        refresh_token: str | None,
        sender: Sender,
    ) -> TokenAnswer:
        """Access token, bound to its sender, and an ID token when `openid` is among the scopes."""
        id_token_alg = client.id_token_alg if "openid" in scope else None
        answer = self._tokens(
            grant,
            client,
            person,
            resource,
            scope,
            details,
            status,
            sender=sender,
            id_token_alg=id_token_alg,
            refresh_token=refresh_token,
            id_claims=self._named(grant, client, person, scope) if id_token_alg else _NONE,
        )
        if answer.id_token is None or client.id_token_encryption is None:
            return answer
        return answer._replace(id_token=self.sealing.sealed(client, client.id_token_encryption, answer.id_token))

    def front_channel(
        self,
        grant: Grant,
        client: Client,
        person: Person,
        *,
        response_type: str,
        status: StatusClaim | None,
        code: str | None,
        state: str | None,
    ) -> dict[str, str]:
        """The tokens of an authorization response, an access token where `status` has a place for it; the ID token vouches for all that comes
        with it (OpenID Connect Core §3.3.2.11).
        """
        answer: dict[str, str] = {}
        hashed = {"c_hash": code, "s_hash": state}
        if status is not None:
            resource = self.resource(grant, ())
            scope = self.scope(grant, None, resource)
            details = self.details(grant, None, resource)
            tokens = self._tokens(grant, client, person, resource, scope, details, status)
            answer = _parameters(tokens.document())
            hashed["at_hash"] = tokens.access_token
        if response_types.returns_id_token(response_type):
            scope = tuple(grant.scope.split())
            named = self._named(grant, client, person, scope, alone=response_type == response_types.ID_TOKEN)
            given = {name: value for name, value in hashed.items() if value is not None}
            id_token = self.issuer.id_token(
                grant,
                alg=client.id_token_alg,
                hashed=given,
                claims=named,
                sub=self.subjects.seen_by(client, grant.sub),
            )
            answer["id_token"] = self.sealing.sealed(client, client.id_token_encryption, id_token)
        return answer

    @staticmethod
    def _named(
        grant: Grant, client: Client, person: Person, scope: tuple[str, ...], *, alone: bool = False
    ) -> dict[str, Any]:
        """The person's claims in an ID token: those asked for there, and those of the scopes where the client has no userinfo.

        `alone`: no access token comes of this response (OpenID Connect Core §5.4).
        """
        released = scopes.claims_of(scope) if alone or client.scope_claims_in_id_token else ()
        return claim_values(person, {*released, *grant.claims_request.get("id_token", ())} - {"sub"})

    def _tokens(
        self,
        grant: Grant,
        client: Client,
        person: Person,
        resource: Resource,
        scope: tuple[str, ...],
        details: tuple[Entry, ...],
        status: StatusClaim,
        *,
        sender: Sender = BEARER,
        id_token_alg: str | None = None,
        refresh_token: str | None = None,
        id_claims: Mapping[str, Any] = _NONE,
    ) -> TokenAnswer:
        return self.issuer.grant_tokens(
            grant,
            audience=resource.uri,
            scope=" ".join(scope),
            ttl=resource.token_ttl or self.access_token_ttl,
            alg=resource.signing_alg,
            status=status,
            roles=person.roles if "roles" in resource.claims else None,
            id_token_alg=id_token_alg,
            refresh_token=refresh_token,
            sub=self.subjects.in_token_for(resource.uri, client, grant.sub),
            id_sub=self.subjects.seen_by(client, grant.sub),
            details=details,
            extra=further_claims(resource, sender),
            id_claims=id_claims,
        )

    def scope(self, grant: Grant, asked: str | None, resource: Resource) -> tuple[str, ...]:
        return entitlement.for_token(grant.scope, asked, resource)

    def details(self, grant: Grant, asked: str | None, resource: Resource) -> tuple[Entry, ...]:
        """The authorization details of the next token; raises `invalid_authorization_details` for more than was granted (RFC 9396 §6)."""
        return self.details_types.for_token(grant.authorization_details, asked, resource.uri)


def _parameters(document: Mapping[str, Any]) -> dict[str, str]:
    """A token response as the parameters of a redirect; what is no text is JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in document.items()}
