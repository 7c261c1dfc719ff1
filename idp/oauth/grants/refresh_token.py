"""`refresh_token` (RFC 6749 §6, RFC 9700 §4.14): rotation by family, with the flags of client and person read afresh."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from idp.errors import ProtocolError
from idp.oauth.clients import Client, ClientDirectory
from idp.oauth.grants.face import People, PersonalTokens, TokenCall
from idp.oauth.sender import refresh_binding
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.tokens.refresh import Refreshed, RefreshTokens, Refusal
from idp.tokens.status_list_indexes import Reservation
from idp.tokens.values import Confirmation, Grant

_REFUSED = "The refresh token is unknown, expired or used"


@dataclass(frozen=True, slots=True)
class RefreshGrant:
    """SPEC: consume, mint and seal are one transaction; a refused scope, resource or detail consumes nothing."""

    database: Database
    refresh_tokens: RefreshTokens
    people: People
    clients: ClientDirectory
    tokens: PersonalTokens
    audit: Audit

    grant_type = "refresh_token"

    def answer(self, call: TokenCall) -> Mapping[str, Any]:
        presented, reserved = call.form.require("refresh_token"), self.tokens.reserve(call.client)
        with self.database.write() as tx:
            client = self.clients.hold(tx, call.client.client_id)
            if client is None:
                raise ProtocolError("invalid_grant", _REFUSED, detail="the client is disabled")
            refreshed = self.refresh_tokens.rotate(
                tx,
                presented,
                client_id=call.client.client_id,
                asked=_fingerprint(call),
                mint=partial(self._mint, tx, call, client, reserved),
                binding=refresh_binding(call.client, call.sender),
            )
            if refreshed.refusal is Refusal.REUSED:
                self._tell(tx, call, refreshed)
        if refreshed.answer is None:
            detail = refreshed.refusal.value if refreshed.refusal else ""
            raise ProtocolError("invalid_grant", _REFUSED, detail=detail)
        return refreshed.answer

    def _mint(
        self,
        tx: sa.Connection,
        call: TokenCall,
        client: Client,
        reserved: Reservation,
        grant: Grant,
        successor: str,
        bound: Confirmation,
    ) -> dict[str, Any]:
        if not call.sender.holds(bound):
            raise ProtocolError("invalid_grant", "The refresh token is bound to another key")
        person = self.people.find_tx(tx, grant.sub)
        if person is None or person.disabled:
            raise ProtocolError("invalid_grant", _REFUSED, detail="the person is disabled")
        resource = self.tokens.resource(grant, call.form.all("resource"))
        scope = self.tokens.scope(grant, call.form.get("scope"), resource)
        details = self.tokens.details(grant, call.form.get("authorization_details"), resource)
        status = reserved.attach(tx, ("grant", grant.id))
        return self.tokens.mint(
            replace(grant, nonce=None),  # it was for the first ID token alone (OpenID Connect Core §12.2)
            client,
            person,
            resource=resource,
            scope=scope,
            details=details,
            status=status,
            refresh_token=successor,
            sender=call.sender,
        ).document()

    def _tell(self, tx: sa.Connection, call: TokenCall, refreshed: Refreshed) -> None:
        sub = refreshed.grant.sub if refreshed.grant else None
        self.audit.append(
            tx, "refresh_token.reused", outcome="refused", client_id=call.client.client_id, sub=sub, peer=call.peer
        )


def _fingerprint(call: TokenCall) -> str:
    """What this request asks for and who sends it, so that a replay asking for something else or with another key is told apart."""
    scope = " ".join(sorted((call.form.get("scope") or "").split()))
    details = call.form.get("authorization_details", "")
    sender = (f"{member}={value}" for member, value in sorted(call.sender.cnf.items()))
    return hashlib.sha256("\n".join((scope, details, *call.form.all("resource"), *sender)).encode()).hexdigest()
