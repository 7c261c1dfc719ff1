"""Both discovery documents (OpenID Connect Discovery §3, RFC 8414 §2), derived from what is registered and mounted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from idp.oauth import dpop, response_types
from idp.oauth.encryption import ALGORITHMS as ENCRYPTION_ALGORITHMS
from idp.oauth.encryption import ENCODINGS
from idp.oauth.registration.senders import CERTIFICATE_BOUND, CERTIFICATE_METHODS
from idp.oauth.request_objects import ALGORITHMS as REQUEST_OBJECT_ALGORITHMS
from idp.oauth.response_modes import MODES
from idp.oauth.scopes import OPENID_SCOPES, SCOPE_CLAIMS
from idp.oauth.signed import ALGORITHMS as ASSERTION_ALGORITHMS
from idp.tokens.identity import ALGORITHMS as ID_TOKEN_ALGORITHMS

OPENID_PATH = "/.well-known/openid-configuration"
OAUTH_PATH = "/.well-known/oauth-authorization-server"
_ENDPOINTS = {
    "/oauth/authorize": "authorization_endpoint",
    "/oauth/token": "token_endpoint",
    "/oauth/userinfo": "userinfo_endpoint",
    "/oauth/jwks": "jwks_uri",
    "/oauth/revoke": "revocation_endpoint",
    "/oauth/introspect": "introspection_endpoint",
    "/oauth/logout": "end_session_endpoint",
    "/oauth/check_session": "check_session_iframe",
    "/oauth/register": "registration_endpoint",
    "/oauth/status": "status_list_aggregation_endpoint",
}
_LOGOUT = (
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
)
"""What the end of a session does besides, wherever there is an end-session endpoint."""
_OAUTH_ONLY = frozenset({"status_list_aggregation_endpoint"})
"""What drafts define stays out of the OpenID document."""
_BY_CERTIFICATE = frozenset(
    {"token_endpoint", "userinfo_endpoint", "revocation_endpoint", "introspection_endpoint", "registration_endpoint"}
)
"""Where a client may come with its certificate (RFC 8705 §5)."""
_OPENID_ONLY = frozenset({"userinfo_endpoint", "end_session_endpoint", "check_session_iframe"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is built and switched on."""

    issuer: str
    url: Callable[[str], str]
    mounted: frozenset[str]
    grant_types: tuple[str, ...]
    auth_methods: tuple[str, ...]
    levels: tuple[str, ...]
    response_types: tuple[str, ...]
    prompts: tuple[str, ...]
    languages: tuple[str, ...]
    mtls_url: str | None = None
    resource_scopes: tuple[str, ...] = ()


def openid_document(facts: Facts) -> dict[str, Any]:
    """The OpenID provider's metadata."""
    document = {**_shared(facts), **_endpoints(facts, _OAUTH_ONLY)}
    document |= dict.fromkeys(_LOGOUT, True) if "end_session_endpoint" in document else {}
    document |= {
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "id_token_encryption_alg_values_supported": list(ENCRYPTION_ALGORITHMS),
        "id_token_encryption_enc_values_supported": list(ENCODINGS),
        "userinfo_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "userinfo_encryption_alg_values_supported": list(ENCRYPTION_ALGORITHMS),
        "userinfo_encryption_enc_values_supported": list(ENCODINGS),
        "acr_values_supported": list(facts.levels),
        "claim_types_supported": ["normal"],
        "claims_supported": _claims(),
        "claims_parameter_supported": True,
        "display_values_supported": ["page", "popup", "touch"],
        "prompt_values_supported": list(facts.prompts),
        "ui_locales_supported": list(facts.languages),
    }
    OpenIDProviderMetadata(document).validate()
    return document


def oauth_document(facts: Facts) -> dict[str, Any]:
    """The authorization server's metadata."""
    document = {**_shared(facts), **_endpoints(facts, _OPENID_ONLY)}
    if facts.issuer.startswith("https://"):
        AuthorizationServerMetadata(document).validate()
    return document


def oauth_path(issuer: str) -> str:
    """Where the RFC 8414 document stands: the well-known part goes between host and path (§3.1)."""
    return OAUTH_PATH + urlsplit(issuer).path


def _shared(facts: Facts) -> dict[str, Any]:
    client_methods = list(facts.auth_methods)
    proven_methods = [method for method in facts.auth_methods if method != "none"]
    return {
        "issuer": facts.issuer,
        "scopes_supported": [*OPENID_SCOPES, *facts.resource_scopes],
        "response_types_supported": list(facts.response_types),
        "response_modes_supported": list(MODES),
        "grant_types_supported": sorted({*facts.grant_types, *response_types.grant_types(facts.response_types)}),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": client_methods,
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": client_methods,
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": proven_methods,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "request_object_signing_alg_values_supported": list(REQUEST_OBJECT_ALGORITHMS),
        **({CERTIFICATE_BOUND: True} if CERTIFICATE_METHODS & set(client_methods) else {}),
    }


def _endpoints(facts: Facts, without: frozenset[str]) -> dict[str, Any]:
    mounted = {name: path for path, name in _ENDPOINTS.items() if path in facts.mounted and name not in without}
    urls: dict[str, Any] = {name: facts.url(path) for name, path in mounted.items()}
    if facts.mtls_url is None or not CERTIFICATE_METHODS & set(facts.auth_methods):
        return urls
    base = facts.mtls_url + urlsplit(facts.issuer).path
    aliases = {name: base + path for name, path in mounted.items() if name in _BY_CERTIFICATE}
    return {**urls, "mtls_endpoint_aliases": aliases}


def _claims() -> list[str]:
    ours = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"]
    return list(dict.fromkeys([*ours, *(claim for claims in SCOPE_CLAIMS.values() for claim in claims)]))
