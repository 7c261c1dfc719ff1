"""Security profiles: frozen rules that a client carries. Checks ask the profile; nothing asks which profile it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from idp.oauth import response_types


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules of one profile.

    `pkce_optional_for_confidential`: a confidential client may leave PKCE out (S256 or nothing).
    `redirect_uri_required_at_token`: RFC 6749 §4.1.3; OAuth 2.1 lets PKCE bind the code instead.
    `assertion_audience_token_endpoint`: client assertions may name the token endpoint as audience besides the issuer.
    `assertion_max_age`: how far ahead the `exp` of a client assertion may lie, in seconds.
    `unsigned_request_objects`: a client that registered no algorithm for request objects may leave them unsigned.
    `response_types`: what a client of it may register, as far as the deployment offers it.
    """

    name: str
    pkce_optional_for_confidential: bool
    redirect_uri_required_at_token: bool
    assertion_audience_token_endpoint: bool
    assertion_max_age: int
    unsigned_request_objects: bool
    response_types: frozenset[str]


OAUTH21 = Profile("oauth21", False, False, False, 3660, False, frozenset({response_types.CODE}))
OIDC = Profile("oidc", True, True, True, 3660, True, frozenset(response_types.ALL))

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (OAUTH21, OIDC)})
KNOWN_BUT_NOT_BUILT = frozenset({"fapi2", "mcp"})
