"""Who calls: what a valid token says, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. `subject` is a person's opaque id, or the `client_id` of a service calling for itself. Times are epoch seconds."""

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

    @property
    def is_service(self) -> bool:
        """Whether a client calls for itself, no person behind it (RFC 9068 §2.2: `sub` is the client)."""
        return self.subject == self.client_id
