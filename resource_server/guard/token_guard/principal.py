"""Who calls: what a valid token says, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Details = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where a token stands in a status list of its issuer (draft-ietf-oauth-status-list-21 §6.2)."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. `subject` is a person's opaque id, or the `client_id` of a service calling for itself. Times are epoch seconds.

    `audience` are the APIs the token is for; `actors` those who act for the subject, the current one first (RFC 8693 §4.1); `details` the
    `authorization_details` (RFC 9396); `confirmation` is `cnf`: what the caller must prove to hold (RFC 7800). All of it is what the issuer signed.
    """

    issuer: str
    subject: str
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    token_id: str
    issued_at: int
    expires_at: int
    auth_time: int | None
    acr: str | None
    claims: Mapping[str, Any]
    actors: tuple[str, ...] = ()
    details: Details = ()
    audience: frozenset[str] = frozenset()
    confirmation: Mapping[str, Any] | None = None
    status: StatusReference | None = None

    @property
    def is_service(self) -> bool:
        """Whether a client calls for itself, no person behind it (RFC 9068 §2.2: `sub` is the client)."""
        return self.subject == self.client_id

    @property
    def is_bound(self) -> bool:
        """Whether the token is bound to a key or a certificate, which the caller has then shown to hold."""
        return self.confirmation is not None
