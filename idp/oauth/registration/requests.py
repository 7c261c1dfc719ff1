"""What a client may ask for and where it is answered: grants, response types, scope and redirect URIs (RFC 7591 §2)."""

from __future__ import annotations

from idp.errors import ProtocolError
from idp.oauth import redirects, scopes
from idp.oauth.profiles import PROFILES
from idp.oauth.registration.face import Concern, Metadata, code_of, one_of, refuse, seconds, some_of, string, strings

GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


def _check(metadata: Metadata) -> None:
    _check_redirects(metadata)
    _check_grants(metadata)
    _check_response_types(metadata)
    _check_scope(metadata)


def _check_redirects(metadata: Metadata) -> None:
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in metadata.get(name, ()):
            fault = redirects.fault(uri, metadata["application_type"])
            if fault is not None:
                refuse(f"{name}: {fault}", code_of(name))


def _check_grants(metadata: Metadata) -> None:
    grants, method = set(metadata["grant_types"]), metadata["token_endpoint_auth_method"]
    if ("authorization_code" in grants) != ("code" in metadata["response_types"]):
        refuse("grant type authorization_code and response type code go together (RFC 7591 2.1)")
    if "authorization_code" in grants and not metadata.get("redirect_uris"):
        refuse("redirect_uris is required for authorization_code", "invalid_redirect_uri")
    if "client_credentials" in grants and method == "none":
        refuse("a public client cannot use client_credentials (RFC 6749 4.4)")
    if "refresh_token" in grants and "authorization_code" not in grants:
        refuse("refresh_token needs a grant that gives refresh tokens")


def _check_response_types(metadata: Metadata) -> None:
    allowed = PROFILES[metadata["security_profile"]].response_types
    if not set(metadata["response_types"]) <= allowed:
        refuse(f"response_types may hold {', '.join(sorted(allowed))}")


def _check_scope(metadata: Metadata) -> None:
    try:
        scopes.parse(metadata.get("scope"))
    except ProtocolError:
        refuse("scope is malformed")


REQUESTS = Concern(
    {
        "application_type": one_of("web", "native"),
        "default_max_age": seconds,
        "grant_types": some_of(*GRANT_TYPES),
        "post_logout_redirect_uris": strings,
        "redirect_uris": strings,
        "response_types": strings,
        "scope": string,
    },
    _check,
)
