"""The values of this room: what a grant is, what an access token says, what a token answer holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Confirmation = Mapping[str, str]
"""What binds a token to its sender (the claim `cnf`, RFC 7800 §3.1): `jkt` a DPoP key, `x5t#S256` a certificate; empty: nothing does."""


BEARER, DPOP = "Bearer", "DPoP"
"""Token types, which are the schemes that tokens are presented by."""


def token_type_of(claims: Mapping[str, Any]) -> str:
    """How a token with these claims is presented (RFC 6750, RFC 9449 §5)."""
    return DPOP if "jkt" in claims.get("cnf", ()) else BEARER


PersonOf = Callable[[str, str], str]
"""(client_id, the `sub` in a token of that client) -> the person; empty when there is none by that name."""


def same_person(_client_id: str, sub: str) -> str:
    """For clients that all see the public `sub`."""
    return sub


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person allowed a client: the root of a family of tokens. Its id begins the `jti` of every token of the family.

    `audiences` are the resources the person authorized (RFC 8707), the default one first. `scope` is all that was granted, space separated.
    `offline` grants outlive the browser session `sid`. `authorization_details` are the entries that were granted (RFC 9396).
    """

    id: str
    client_id: str
    sub: str
    sid: str | None
    scope: str
    audiences: tuple[str, ...]
    offline: bool
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    nonce: str | None
    claims_request: Mapping[str, Any] = field(default_factory=dict)
    created_at: int = 0
    expires_at: int = 0
    authorization_details: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A verified access token of ours (RFC 9068). `sub` is the person or service, `claims["sub"]` what the token calls them."""

    jti: str
    grant_id: str | None
    sub: str
    client_id: str
    audience: str
    scope: str
    issued_at: int
    expires_at: int
    kid: str
    claims: Mapping[str, Any]

    @property
    def cnf(self) -> Confirmation:
        """What binds it to its holder."""
        bound: Confirmation = self.claims.get("cnf", {})
        return bound


class TokenAnswer(NamedTuple):
    """A successful token response (RFC 6749 §5.1); `document()` is its JSON form."""

    access_token: str
    expires_in: int
    scope: str
    refresh_token: str | None = None
    id_token: str | None = None
    token_type: str = BEARER
    authorization_details: tuple[Mapping[str, Any], ...] = ()

    def document(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "access_token": self.access_token,
            "token_type": self.token_type,
            "expires_in": self.expires_in,
            "scope": self.scope,
        }
        if self.refresh_token is not None:
            answer["refresh_token"] = self.refresh_token
        if self.id_token is not None:
            answer["id_token"] = self.id_token
        if self.authorization_details:
            answer["authorization_details"] = list(self.authorization_details)
        return answer
