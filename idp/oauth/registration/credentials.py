"""How a client proves who it is: its method, its keys, its secret (RFC 7591 §2, OpenID Connect Registration §2)."""

from __future__ import annotations

import re
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.oauth.registration.face import Concern, Metadata, anything, fetched_url, one_of, refuse
from idp.oauth.remote_keys import MAX_KEYS, MIN_RSA_BITS, PRIVATE_MEMBERS, is_weak
from idp.oauth.signed import ALGORITHMS

AUTH_METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
)
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})
_KEY_METHODS = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})
MIN_SECRET = 32
_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,255}\Z")
_SECRET = re.compile(r"[\x21-\x7e]{32,512}\Z")


def offered(*, issued: bool, own: bool) -> tuple[str, ...]:
    """The methods of a deployment; `issued` and `own`: whether it can verify certificates of authorities, and sees those of clients' own."""
    missing = {"tls_client_auth": not issued, "self_signed_tls_client_auth": not own}
    return tuple(method for method in AUTH_METHODS if not missing.get(method, False))


def check_client_id(client_id: object) -> str:
    """A client identifier of unreserved characters; raises `Refused`."""
    if not isinstance(client_id, str) or not _CLIENT_ID.match(client_id):
        refuse("client_id has 1 to 255 characters of A-Z a-z 0-9 . _ ~ -")
    return client_id


def check_client_secret(secret: object) -> str:
    """A given secret long enough to be one; raises `Refused`."""
    if not isinstance(secret, str) or not _SECRET.match(secret):
        refuse(f"client_secret has {MIN_SECRET} to 512 printable ASCII characters without spaces")
    return secret


def _check(metadata: Metadata) -> None:
    if {"jwks", "jwks_uri"} <= metadata.keys():
        refuse("jwks and jwks_uri must not both be given (RFC 7591 2)")
    method = metadata["token_endpoint_auth_method"]
    if method in _KEY_METHODS and not {"jwks", "jwks_uri"} & metadata.keys():
        refuse(f"{method} needs jwks or jwks_uri")
    if "jwks" in metadata:
        _check_jwks(metadata["jwks"])


def _check_jwks(jwks: Any) -> None:
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        refuse(f"jwks must hold 1 to {MAX_KEYS} keys")
    if any(PRIVATE_MEMBERS & key.keys() for key in keys):
        refuse("jwks must hold public keys only")
    try:
        imported = KeySet.import_key_set(jwks)
    except (JoseError, ValueError, TypeError, KeyError):
        refuse("jwks holds a key that cannot be read")
    if any(is_weak(key) for key in imported.keys):
        refuse(f"an RSA key in jwks needs at least {MIN_RSA_BITS} bits")


CREDENTIALS = Concern(
    {
        "jwks": anything,
        "jwks_uri": fetched_url,
        "token_endpoint_auth_method": one_of(*AUTH_METHODS),
        "token_endpoint_auth_signing_alg": one_of(*ALGORITHMS),
    },
    _check,
)
