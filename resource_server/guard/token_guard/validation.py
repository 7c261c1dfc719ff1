"""The checks themselves: pure functions of token, keys, trust and time (RFC 9068 §4, RFC 8725 §3)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm

from token_guard.errors import GuardError, invalid_token
from token_guard.keys import VerificationKey
from token_guard.principal import Principal
from token_guard.trust import IssuerTrust

MAX_TOKEN = 8 * 1024
MAX_DEPTH = 16
ACCESS_TOKEN_TYPES = frozenset({"at+jwt"})
_UNSUPPORTED_HEADERS = ("crit", "jwk", "jku", "x5u", "x5c")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 64 and all(map(_is_filled, value))


def _is_audience(value: Any) -> bool:
    return _is_filled(value) or (_is_list(value) and bool(value))


_CLAIM_TYPES: Mapping[str, tuple[bool, Callable[[Any], bool]]] = {
    **dict.fromkeys(("iss", "sub", "jti", "client_id"), (True, _is_filled)),
    **dict.fromkeys(("exp", "iat"), (True, _is_time)),
    "aud": (True, _is_audience),
    **dict.fromkeys(("nbf", "auth_time"), (False, _is_time)),
    **dict.fromkeys(("scope", "acr"), (False, _is_text)),
    "roles": (False, _is_list),
}
"""Claim by claim (RFC 9068 §2.2): whether it is required, and what its value must be."""


def _verifier() -> jwt.PyJWS:
    """A PyJWS of our own that knows Ed25519 by its RFC 9864 name."""
    verifier = jwt.PyJWS()
    verifier.register_algorithm("Ed25519", OKPAlgorithm())
    return verifier


_JWS = _verifier()


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token taken apart: nothing of it is trusted yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    kid: str
    alg: str


def take_apart(token: str, *, types: frozenset[str], algorithms: tuple[str, ...]) -> Unverified:
    """Header and claims of a compact JWS of an accepted type and algorithm; raises `invalid_token`."""
    if len(token) > MAX_TOKEN or not token.isascii():
        raise invalid_token("the token is too long or not ASCII")
    parts = token.split(".")
    if len(parts) != 3:
        raise invalid_token("the token is not a compact JWS")
    header, claims = _document(parts[0]), _document(parts[1])
    typ, alg, kid = header.get("typ"), header.get("alg"), header.get("kid")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in types:
        raise invalid_token(f"typ is {typ!r}, not {'/'.join(sorted(types))}"[:200])
    if not isinstance(alg, str) or alg not in algorithms:
        raise invalid_token("the algorithm is not allowed for this issuer")
    if any(name in header for name in _UNSUPPORTED_HEADERS):
        raise invalid_token("the header has crit or carries its own key")
    if not isinstance(kid, str) or not kid:
        raise invalid_token("the header has no kid")
    return Unverified(header, claims, kid, alg)


def check_signature(token: str, unverified: Unverified, key: VerificationKey) -> bool:
    """Whether this key, for this algorithm, signed the token."""
    if unverified.alg not in key.algorithms:
        return False
    try:
        _JWS.decode(token, key.key, algorithms=[unverified.alg])
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True


def check_claims(claims: Mapping[str, Any], trust: IssuerTrust, now: float) -> Principal:
    """The caller, when every claim of RFC 9068 §2.2 is there, fits, and the time is right; raises `invalid_token`."""
    _check_types(claims)
    if claims["iss"] != trust.issuer:
        raise invalid_token("the issuer is another")
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if trust.audience not in audience:
        raise invalid_token("the audience is another")
    _check_times(claims, trust, now)
    if "cnf" in claims:
        raise invalid_token("the token is bound to a key and was presented as a bearer token")
    return _principal(claims)


def _check_types(claims: Mapping[str, Any]) -> None:
    for name, (required, fits) in _CLAIM_TYPES.items():
        if name not in claims:
            if required:
                raise invalid_token(f"the claim {name} is missing")
        elif not fits(claims[name]):
            raise invalid_token(f"the claim {name} has a wrong type")


def _check_times(claims: Mapping[str, Any], trust: IssuerTrust, now: float) -> None:
    if claims["exp"] <= now - trust.skew:
        raise invalid_token("the token has expired")
    if max(claims["iat"], claims.get("nbf", 0)) > now + trust.skew:
        raise invalid_token("the token is from the future")
    if claims["exp"] > now + trust.max_lifetime + trust.skew:
        raise invalid_token("the token lives longer than is accepted")


def _principal(claims: Mapping[str, Any]) -> Principal:
    return Principal(
        issuer=claims["iss"],
        subject=claims["sub"],
        client_id=claims["client_id"],
        scopes=frozenset(claims.get("scope", "").split()),
        roles=frozenset(claims.get("roles", ())),
        token_id=claims["jti"],
        issued_at=int(claims["iat"]),
        expires_at=int(claims["exp"]),
        auth_time=int(claims["auth_time"]) if "auth_time" in claims else None,
        acr=claims.get("acr"),
        claims=claims,
    )


def _document(encoded: str) -> Mapping[str, Any]:
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        document = json.loads(raw, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _malformed() from error
    if not isinstance(document, dict) or _is_deeper(document, MAX_DEPTH):
        raise _malformed()
    return document


def _malformed() -> GuardError:
    return invalid_token("a part of the token is not an acceptable JSON object")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is repeated")
    return document


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)
