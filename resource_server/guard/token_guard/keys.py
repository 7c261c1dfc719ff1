"""An issuer's JWKS, read with suspicion: public signature keys of known types only, one algorithm a key (RFC 7517, RFC 8725)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from token_guard.trust import ALGORITHMS

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "EC": ("ES256",),
    "RSA": ("RS256", "PS256"),
    "OKP": ("Ed25519", "EdDSA"),
}
_READERS: Mapping[str, Any] = {"EC": ECAlgorithm, "RSA": RSAAlgorithm, "OKP": OKPAlgorithm}
_MIN_RSA_BITS = 2048


class KeysError(Exception):
    """A document that is not a JWKS we accept."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key and the algorithms it may verify."""

    kid: str
    algorithms: tuple[str, ...]
    key: Any


Keys = Mapping[str, VerificationKey]


def parse_jwks(document: bytes, *, max_keys: int) -> Keys:
    """The usable keys by `kid`; raises `KeysError` for a document with private members, repeated kids or no usable key."""
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeysError("not a JWKS") from error
    if not isinstance(listed, list) or len(listed) > max_keys:
        raise KeysError("not a list of keys, or too many")
    keys: dict[str, VerificationKey] = {}
    for jwk in listed:
        key = _usable(jwk)
        if key is None:
            continue
        if key.kid in keys:
            raise KeysError("a kid is repeated")
        keys[key.kid] = key
    if not keys:
        raise KeysError("no usable key")
    return MappingProxyType(keys)


def _usable(jwk: Any) -> VerificationKey | None:
    if not isinstance(jwk, dict):
        raise KeysError("a key is not an object")
    if _PRIVATE & jwk.keys():
        raise KeysError("the JWKS holds private or symmetric members")
    kid, algorithms = jwk.get("kid"), _algorithms(jwk)
    if not isinstance(kid, str) or not kid or not algorithms or not _is_for_signatures(jwk):
        return None
    try:
        key = _READERS[jwk["kty"]].from_jwk(jwk)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return VerificationKey(kid, algorithms, key) if _is_strong(key) else None


def _algorithms(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    kty, alg = jwk.get("kty"), jwk.get("alg")
    fitting = _BY_TYPE.get(kty, ()) if isinstance(kty, str) else ()
    if alg is None:
        return fitting
    if kty == "OKP" and alg in fitting:
        return fitting  # RFC 9864: both names mean the same algorithm
    return tuple(one for one in fitting if one == alg and one in ALGORITHMS)


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops")
    return jwk.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _is_strong(key: Any) -> bool:
    match key:
        case RSAPublicKey():
            return key.key_size >= _MIN_RSA_BITS
        case EllipticCurvePublicKey():
            return key.curve.name == "secp256r1"
        case Ed25519PublicKey():
            return True
    return False
