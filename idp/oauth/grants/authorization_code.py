"""`authorization_code` (RFC 6749 §4.1.3): Authlib checks the request and PKCE, then the code is consumed before anything is minted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant

from idp.errors import ProtocolError
from idp.oauth import entitlement
from idp.oauth.authlib_views import ClientView, CodeView, TokenRequest
from idp.oauth.clients import hold_served
from idp.oauth.codes import Code, Codes
from idp.oauth.grants.face import People, PersonalTokens, TokenCall
from idp.oauth.sender import refresh_binding
from idp.oauth.server import TokenServer
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.tokens.refresh import RefreshTokens
from idp.tokens.status_list import StatusClaim
from idp.tokens.status_list_indexes import Reservation
from idp.tokens.store import Grants
from idp.tokens.values import Grant
from idp.users.people import Person
from idp.users.sessions import Sessions

_GONE = "The code is unknown, expired or used"


@dataclass(frozen=True, slots=True)
class _Redeemed:
    """What a committed redemption leaves to be minted."""

    person: Person
    status: StatusClaim
    refresh_token: str | None


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    """Authlib's grant, over our exchange: it asks for the code and hands it back once everything fits."""

    def query_authorization_code(self, code: str, client: ClientView) -> CodeView | None:
        exchange: CodeExchange = self.server.stores
        return exchange.view(code, client, self.request.payload.redirect_uri)

    def create_token_response(self) -> tuple[int, Mapping[str, Any], list[tuple[str, str]]]:
        exchange: CodeExchange = self.server.stores
        return 200, exchange.issue(self.request.authorization_code.code, self.request.call), []


@dataclass(frozen=True, slots=True)
class CodeExchange:
    """SPEC: one code gives one grant, whatever the number of requests, threads and nodes."""

    database: Database
    codes: Codes
    grants: Grants
    refresh_tokens: RefreshTokens
    people: People
    sessions: Sessions
    tokens: PersonalTokens
    audit: Audit

    grant_type = "authorization_code"

    def answer(self, call: TokenCall) -> Mapping[str, Any]:
        return TokenServer(CodeGrant, self).respond(TokenRequest(call.form, call.client, call))

    def view(self, code: str, client: ClientView, sent: str | None) -> CodeView | None:
        with self.database.read() as tx:
            found = self.codes.find(tx, code, client.get_client_id())
        if found is None:
            return None
        required = client.client.profile.redirect_uri_required_at_token and found.redirect_uri_given
        return CodeView(found, compare_redirect_uri=required or sent is not None)

    def issue(self, code: Code, call: TokenCall) -> Mapping[str, Any]:
        if not call.sender.holds(code.cnf):
            raise ProtocolError("invalid_grant", "The code is bound to another key")
        resource = self.tokens.resource(code.grant, call.form.all("resource"))
        scope = self.tokens.scope(code.grant, None, resource)
        details = self.tokens.details(code.grant, call.form.get("authorization_details"), resource)
        reserved = self.tokens.reserve(call.client)
        with self.database.write() as tx:
            redeemed = self._redeem(tx, code, call, reserved)
        if redeemed is None:
            raise ProtocolError("invalid_grant", _GONE)
        return self.tokens.mint(
            code.grant,
            call.client,
            redeemed.person,
            resource=resource,
            scope=scope,
            details=details,
            status=redeemed.status,
            refresh_token=redeemed.refresh_token,
            sender=call.sender,
        ).document()

    def _redeem(self, tx: sa.Connection, code: Code, call: TokenCall, reserved: Reservation) -> _Redeemed | None:
        """Consume first. A reuse ends the grant, also when the first redemption has not written it yet: its id is known."""
        if not self.codes.consume(tx, code):
            self.grants.end(tx, code.grant.id)
            self.audit.append(
                tx,
                "code.reused",
                outcome="refused",
                client_id=call.client.client_id,
                sub=code.grant.sub,
                peer=call.peer,
            )
            return None
        if not self._still_holds(tx, code.grant):
            return None
        person = self.people.find_tx(tx, code.grant.sub)
        if person is None or person.disabled:
            return None
        self.grants.save(tx, code.grant)
        status = reserved.attach(tx, ("grant", code.grant.id))
        if not entitlement.gives_refresh_token(call.client, code.grant.scope.split()):
            return _Redeemed(person, status, None)
        binding = refresh_binding(call.client, call.sender)
        return _Redeemed(person, status, self.refresh_tokens.first(tx, code.grant, binding))

    def _still_holds(self, tx: sa.Connection, grant: Grant) -> bool:
        """Client and session are held first: whoever ends them now waits, and then finds what this transaction gave."""
        if not hold_served(tx, grant.client_id):
            return False
        return (grant.sid is None or self.sessions.hold(tx, grant.sid)) and self.grants.holds(tx, grant)
