"""From an allowed request to what its response carries: a code, and for implicit and hybrid response types tokens beside or instead of it.

What is written commits first; tokens are minted afterwards from what was written.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import PageError
from idp.oauth import acr, response_types
from idp.oauth.clients import Client, hold_served
from idp.oauth.codes import Codes
from idp.oauth.grants.face import People, PersonalTokens
from idp.oauth.request import AuthorizationRequest
from idp.platform.ids import new_id
from idp.tokens.status_list import StatusClaim
from idp.tokens.status_list_indexes import Reservation
from idp.tokens.store import Grants
from idp.tokens.values import Grant
from idp.users.people import BrowserSession, Person

_TOKENS_ONLY = 3600
"""Seconds that a grant lives which gives nothing more than one response: longer than any token of it."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What is written for a response: its code, if one, and the person its tokens speak for, if it carries any."""

    asked: AuthorizationRequest
    client: Client
    grant: Grant
    code: str | None
    person: Person | None = None
    status: StatusClaim | None = None


@dataclass(frozen=True, slots=True)
class Issuing:
    """Writes codes and grants, then mints; `grant_ttl` is the absolute life of a family of tokens in seconds."""

    clock: Clock
    codes: Codes
    grants: Grants
    people: People
    tokens: PersonalTokens
    grant_ttl: int

    def reserve(self, asked: AuthorizationRequest, client: Client) -> Reservation | None:
        """A place for the access token of the response, if it will carry one; to be asked for before the transaction begins."""
        if response_types.returns_access_token(asked.response_type):
            return self.tokens.reserve(client)
        if response_types.returns_id_token(asked.response_type):
            self.tokens.prepare(client)
        return None

    def write(
        self,
        tx: sa.Connection,
        asked: AuthorizationRequest,
        client: Client,
        session: BrowserSession,
        reserved: Reservation | None,
    ) -> Issued:
        """Write the code, and the grant where the response carries tokens. The session is held by this transaction, so its person is too."""
        grant = self._grant(asked, session)
        code = self._code(tx, asked, grant) if response_types.returns_code(asked.response_type) else None
        if not response_types.returns_tokens(asked.response_type):
            return Issued(asked, client, grant, code)
        if not hold_served(tx, asked.client_id):
            raise PageError("invalid_client", "The app that sent you here may not sign you in any more.")
        person = self.people.find_tx(tx, session.sub)
        self.grants.save(tx, grant)
        status = reserved.attach(tx, ("grant", grant.id)) if reserved else None
        return Issued(asked, client, grant, code, person, status)

    def parameters(self, issued: Issued) -> dict[str, str | None]:
        """The parameters of the response (OpenID Connect Core §3.1.2.5, §3.2.2.5, §3.3.2.5)."""
        if issued.person is None:
            return {"code": issued.code}
        tokens = self.tokens.front_channel(
            issued.grant,
            issued.client,
            issued.person,
            response_type=issued.asked.response_type,
            status=issued.status,
            code=issued.code,
            state=issued.asked.state,
        )
        return {"code": issued.code, **tokens}

    def _code(self, tx: sa.Connection, asked: AuthorizationRequest, grant: Grant) -> str:
        return self.codes.issue(
            tx,
            grant,
            redirect_uri=asked.redirect_uri,
            given=asked.redirect_uri_given,
            code_challenge=asked.code_challenge,
            binding=asked.binding,
        )

    def _grant(self, asked: AuthorizationRequest, session: BrowserSession) -> Grant:
        now = self.clock.now()
        life = self.grant_ttl if response_types.returns_code(asked.response_type) else _TOKENS_ONLY
        return Grant(
            id=new_id(self.clock.precise()),
            client_id=asked.client_id,
            sub=session.sub,
            sid=session.sid,
            scope=" ".join(asked.scope),
            audiences=asked.audiences,
            offline="offline_access" in asked.scope,
            auth_time=session.auth_time,
            acr=acr.told(session.acr, asked.acr_values),
            amr=session.amr,
            nonce=asked.nonce,
            claims_request=_by_name(asked),
            created_at=now,
            expires_at=now + life,
            authorization_details=asked.authorization_details,
        )


def _by_name(asked: AuthorizationRequest) -> dict[str, list[str]]:
    """The claims asked for by name, as a grant keeps them."""
    places = {"userinfo": asked.userinfo_claims, "id_token": asked.id_token_claims}
    return {place: list(claims) for place, claims in places.items() if claims}
