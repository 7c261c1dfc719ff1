"""What a client may ask for and where it is answered: grants, response types, scope and redirect URIs (RFC 7591 §2)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from idp.errors import ProtocolError
from idp.oauth import redirects, response_types, scopes
from idp.oauth.exchange.rules import GRANT_TYPE as TOKEN_EXCHANGE
from idp.oauth.profiles import PROFILES
from idp.oauth.registration.face import (
    Concern,
    Metadata,
    code_of,
    flag,
    https_url,
    one_of,
    refuse,
    seconds,
    some_of,
    string,
    strings,
)
from idp.settings import is_loopback
from idp.users.login.chain import LEVELS

GRANT_TYPES = ("authorization_code", "client_credentials", "implicit", "refresh_token", TOKEN_EXCHANGE)


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
    if grants & {"authorization_code", "implicit"} and not metadata.get("redirect_uris"):
        refuse("redirect_uris is required for authorization_code and implicit", "invalid_redirect_uri")
    if "client_credentials" in grants and method == "none":
        refuse("a public client cannot use client_credentials (RFC 6749 4.4)")
    if TOKEN_EXCHANGE in grants and method == "none":
        refuse("a public client cannot exchange tokens")
    if "refresh_token" in grants and "authorization_code" not in grants:
        refuse("refresh_token needs a grant that gives refresh tokens")


def _check_response_types(metadata: Metadata) -> None:
    kinds = {response_types.normal(one) for one in metadata["response_types"]}
    allowed = PROFILES[metadata["security_profile"]].response_types
    if not kinds <= allowed:
        refuse(f"response_types may hold {', '.join(sorted(allowed))}")
    grants = {"authorization_code", "implicit"} & set(metadata["grant_types"])
    if grants != response_types.grant_types(kinds):
        refuse("grant_types and response_types do not go together (RFC 7591 2.1)")
    if "implicit" in grants and metadata["application_type"] == "web":
        _check_front_channel(metadata["redirect_uris"])


def _check_front_channel(uris: Iterable[str]) -> None:
    """OpenID Connect Registration §2: tokens go to a web client over https, and to no program on the person's own machine."""
    if any(redirects.is_unproven(uri) or is_loopback(urlsplit(uri).hostname or "") for uri in uris):
        refuse("redirect_uris: for implicit a web client needs https and a host of its own", "invalid_redirect_uri")


def _check_scope(metadata: Metadata) -> None:
    try:
        scopes.parse(metadata.get("scope"))
    except ProtocolError:
        refuse("scope is malformed")


REQUESTS = Concern(
    {
        "application_type": one_of("web", "native"),
        "authorization_details_types": strings,
        "default_acr_values": some_of(*LEVELS),
        "default_max_age": seconds,
        "grant_types": some_of(*GRANT_TYPES),
        "initiate_login_uri": https_url,
        "post_logout_redirect_uris": strings,
        "redirect_uris": strings,
        "require_auth_time": flag,
        "response_types": strings,
        "scope": string,
    },
    _check,
)
