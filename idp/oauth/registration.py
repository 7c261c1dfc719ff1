"""Client metadata (RFC 7591): the one form of a client everywhere, checked by Authlib where it checks well and by us where it does not.

What would be silently not honoured is refused; what only informs is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from authlib.oauth2.rfc7591 import ClientMetadataClaims
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.errors import Refused
from idp.oauth import redirects, scopes
from idp.oauth.client_keys import ALGORITHMS as ASSERTION_ALGORITHMS
from idp.oauth.profiles import KNOWN_BUT_NOT_BUILT, PROFILES
from idp.oauth.remote_keys import MAX_KEYS, MIN_RSA_BITS, PRIVATE_MEMBERS, is_weak
from idp.tokens.identity import ALGORITHMS as ID_TOKEN_ALGORITHMS

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")
OPERATOR_FIELDS = frozenset({"client_id", "client_secret", "security_profile", "audience", "consent", "introspects"})
MIN_SECRET = 32
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,255}\Z")
_SECRET = re.compile(r"[\x21-\x7e]{32,512}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TEXT_FIELDS = ("client_name", "software_id", "software_version")
_URL_FIELDS = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
_LIST_FIELDS = (
    "redirect_uris",
    "post_logout_redirect_uris",
    "grant_types",
    "response_types",
    "audience",
    "introspects",
    "contacts",
)
_KEPT = frozenset(
    {
        *_TEXT_FIELDS,
        *_URL_FIELDS,
        *_LIST_FIELDS,
        "application_type",
        "consent",
        "default_max_age",
        "id_token_signed_response_alg",
        "jwks",
        "jwks_uri",
        "scope",
        "security_profile",
        "subject_type",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
    }
)


def checked(document: Mapping[str, Any], known_resources: Callable[[str], bool]) -> dict[str, Any]:
    """The metadata with its defaults, when all of it can be honoured; raises `Refused` with RFC 7591 §3.2.2 codes."""
    unknown = sorted(document.keys() - _KEPT)
    if unknown:
        _refuse(f"{unknown[0][:64]} is not supported")
    metadata = dict(document)
    _check_types(metadata)
    _add_defaults(metadata)
    for check in CHECKS:
        check(metadata)
    for field in ("audience", "introspects"):
        for uri in metadata.get(field, ()):
            if not known_resources(uri):
                _refuse(f"{field}: {uri[:200]} is not a resource; register it with idp resource create")
    return metadata


def check_client_id(client_id: object) -> str:
    """A client identifier of unreserved characters; raises `Refused`."""
    if not isinstance(client_id, str) or not _CLIENT_ID.match(client_id):
        _refuse("client_id has 1 to 255 characters of A-Z a-z 0-9 . _ ~ -")
    return client_id


def check_client_secret(secret: object) -> str:
    """A given secret long enough to be one; raises `Refused`."""
    if not isinstance(secret, str) or not _SECRET.match(secret):
        _refuse(f"client_secret has {MIN_SECRET} to 512 printable ASCII characters without spaces")
    return secret


def _refuse(description: str, code: str = "invalid_client_metadata") -> NoReturn:
    raise Refused(code, description)


def _check_types(metadata: Mapping[str, Any]) -> None:
    for name, value in metadata.items():
        if value is None:
            _refuse(f"{name} must not be null")
        if name in _LIST_FIELDS:
            if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value) or len(value) > 64:
                _refuse(f"{name} must be a list of strings")
        elif name == "default_max_age":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                _refuse("default_max_age must be a number of seconds")
        elif name != "jwks" and not isinstance(value, str):
            _refuse(f"{name} must be a string")
        _check_text(name, value)
    for name in _TEXT_FIELDS:
        if len(metadata.get(name, "")) > 200:
            _refuse(f"{name} has at most 200 characters")


def _check_text(name: str, value: object) -> None:
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and _CONTROL.search(text) for text in texts):
        _refuse(f"{name} must not have control characters", _code(name))


def _code(name: str) -> str:
    """The error code for a fault of a member (RFC 7591 §3.2.2)."""
    return "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"


def _add_defaults(metadata: dict[str, Any]) -> None:
    """RFC 7591 §2: what is not said."""
    metadata.setdefault("grant_types", ["authorization_code"])
    metadata.setdefault("response_types", ["code"] if "authorization_code" in metadata["grant_types"] else [])
    metadata.setdefault("token_endpoint_auth_method", "client_secret_basic")
    metadata.setdefault("security_profile", "oauth21")
    metadata.setdefault("consent", "ask")
    metadata.setdefault("application_type", "web")


def _check_with_authlib(metadata: dict[str, Any]) -> None:
    try:
        ClientMetadataClaims(metadata, {}).validate()
    except (JoseError, ValueError, TypeError) as error:
        _refuse(f"{getattr(error, 'claim', None) or 'the metadata'} does not fit RFC 7591")
    for name in _URL_FIELDS:
        if name in metadata and not metadata[name].startswith(("https://", "http://")):
            _refuse(f"{name} must be an http or https URL")


def _check_choices(metadata: Mapping[str, Any]) -> None:
    profile = metadata["security_profile"]
    if profile in KNOWN_BUT_NOT_BUILT:
        _refuse(f"security_profile {profile} is not built yet")
    choices: Mapping[str, tuple[Any, ...]] = {
        "security_profile": tuple(PROFILES),
        "token_endpoint_auth_method": AUTH_METHODS,
        "token_endpoint_auth_signing_alg": ASSERTION_ALGORITHMS,
        "application_type": ("web", "native"),
        "consent": ("ask", "trusted"),
        "id_token_signed_response_alg": ID_TOKEN_ALGORITHMS,
        "subject_type": ("public",),
    }
    for name, allowed in choices.items():
        if name in metadata and metadata[name] not in allowed:
            _refuse(f"{name} must be one of {', '.join(allowed)}")
    for name, allowed in (("grant_types", GRANT_TYPES), ("response_types", tuple(PROFILES[profile].response_types))):
        if not set(metadata[name]) <= set(allowed):
            _refuse(f"{name} may hold {', '.join(allowed)}")


def _check_redirects(metadata: Mapping[str, Any]) -> None:
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in metadata.get(name, ()):
            fault = redirects.fault(uri, metadata["application_type"])
            if fault is not None:
                _refuse(f"{name}: {fault}", _code(name))


def _check_combination(metadata: Mapping[str, Any]) -> None:
    grants, method = set(metadata["grant_types"]), metadata["token_endpoint_auth_method"]
    if ("authorization_code" in grants) != ("code" in metadata["response_types"]):
        _refuse("grant type authorization_code and response type code go together (RFC 7591 2.1)")
    if "authorization_code" in grants and not metadata.get("redirect_uris"):
        _refuse("redirect_uris is required for authorization_code", "invalid_redirect_uri")
    if "client_credentials" in grants and method == "none":
        _refuse("a public client cannot use client_credentials (RFC 6749 4.4)")
    if "refresh_token" in grants and "authorization_code" not in grants:
        _refuse("refresh_token needs a grant that gives refresh tokens")
    if method == "private_key_jwt" and not {"jwks", "jwks_uri"} & metadata.keys():
        _refuse("private_key_jwt needs jwks or jwks_uri")


def _check_keys(metadata: Mapping[str, Any]) -> None:
    jwks, uri = metadata.get("jwks"), metadata.get("jwks_uri")
    if jwks is not None and uri is not None:
        _refuse("jwks and jwks_uri must not both be given (RFC 7591 2)")
    if uri is not None and (fault := redirects.fault(uri, "web")) is not None:
        _refuse(f"jwks_uri: {fault}")
    if jwks is not None:
        _check_jwks(jwks)


def _check_jwks(jwks: Any) -> None:
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        _refuse(f"jwks must hold 1 to {MAX_KEYS} keys")
    if any(PRIVATE_MEMBERS & key.keys() for key in keys):
        _refuse("jwks must hold public keys only")
    try:
        imported = KeySet.import_key_set(jwks)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Refused("invalid_client_metadata", "jwks holds a key that cannot be read") from error
    if any(is_weak(key) for key in imported.keys):
        _refuse(f"an RSA key in jwks needs at least {MIN_RSA_BITS} bits")


def _check_scope(metadata: Mapping[str, Any]) -> None:
    try:
        scopes.parse(metadata.get("scope"))
    except Exception as error:
        raise Refused("invalid_client_metadata", "scope is malformed") from error


CHECKS: tuple[Callable[[dict[str, Any]], None], ...] = (
    _check_redirects,
    _check_keys,
    _check_with_authlib,
    _check_choices,
    _check_combination,
    _check_scope,
)
"""In this order: Authlib's checks stumble over keys that are none, and answer every fault with the same code."""
