"""The signature algorithms by their registered names (RFC 7518, RFC 8037, RFC 9864), each with the only kind of key it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

DEFAULT_ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519", "EdDSA")
_RSA_BITS = range(2048, 8192 + 1)
_MAX_EXPONENT = 2**32


class KeyUnusable(Exception):
    """A JWK that is no public key we verify with."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`kty` and `crv` of the JWKs it takes (`crv` empty for RSA), and PyJWT's implementation of it."""

    kty: str
    crv: str
    primitive: Any

    def verify(self, *, signed: bytes, signature: bytes, key: Any) -> bool:
        """Whether `key` made this signature."""
        try:
            return bool(self.primitive.verify(signed, key, signature))
        except (InvalidSignature, jwt.PyJWTError, ValueError, TypeError):
            return False


_OKP, _SHA256, _SHA384, _SHA512 = OKPAlgorithm(), RSAAlgorithm.SHA256, RSAAlgorithm.SHA384, RSAAlgorithm.SHA512
ALGORITHMS: Mapping[str, Algorithm] = {
    "ES256": Algorithm("EC", "P-256", ECAlgorithm(_SHA256)),
    "ES384": Algorithm("EC", "P-384", ECAlgorithm(_SHA384)),
    "ES512": Algorithm("EC", "P-521", ECAlgorithm(_SHA512)),
    "RS256": Algorithm("RSA", "", RSAAlgorithm(_SHA256)),
    "RS384": Algorithm("RSA", "", RSAAlgorithm(_SHA384)),
    "RS512": Algorithm("RSA", "", RSAAlgorithm(_SHA512)),
    "PS256": Algorithm("RSA", "", RSAPSSAlgorithm(_SHA256)),
    "PS384": Algorithm("RSA", "", RSAPSSAlgorithm(_SHA384)),
    "PS512": Algorithm("RSA", "", RSAPSSAlgorithm(_SHA512)),
    "Ed25519": Algorithm("OKP", "Ed25519", _OKP),
    "EdDSA": Algorithm("OKP", "Ed25519", _OKP),
    "Ed448": Algorithm("OKP", "Ed448", _OKP),
}
"""Every algorithm there is for us. `EdDSA` is the older name of Ed25519 and means nothing else here; no `none`, no shared secrets."""

_READERS: Mapping[str, Any] = {"EC": ECAlgorithm, "RSA": RSAAlgorithm, "OKP": OKPAlgorithm}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def check_algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, when each is an algorithm of ours and there is at least one; raises `ValueError`."""
    if not names or not set(names) <= ALGORITHMS.keys():
        raise ValueError(f"algorithms must be some of {', '.join(ALGORITHMS)}")
    return names


def has_private_members(jwk: Mapping[str, Any]) -> bool:
    """Whether a JWK holds what its owner must keep, or a shared secret (RFC 7518 §6)."""
    return not _PRIVATE.isdisjoint(jwk)


def algorithms_of(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    """The algorithms a JWK may be used with: its `alg`, or all that take such a key; both names for Ed25519 (RFC 9864 §2.2)."""
    kty, crv, alg = jwk.get("kty"), jwk.get("crv"), jwk.get("alg")
    fitting = tuple(name for name, one in ALGORITHMS.items() if one.kty == kty and one.crv in ("", crv))
    if alg is None or (kty == "OKP" and alg in fitting):
        return fitting
    return tuple(name for name in fitting if name == alg)


def public_key(jwk: Mapping[str, Any]) -> Any:
    """The public key of a JWK without private members, strong and small enough; raises `KeyUnusable`."""
    if has_private_members(jwk):
        raise KeyUnusable("it has private or symmetric members")
    try:
        key = _READERS[jwk["kty"]].from_jwk(dict(jwk))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise KeyUnusable("it is no key of a known type") from error
    if isinstance(key, RSAPublicKey) and not _is_reasonable(key):
        raise KeyUnusable("the RSA key is too short, too long or has a strange exponent")
    return key


def _is_reasonable(key: RSAPublicKey) -> bool:
    return key.key_size in _RSA_BITS and 2 < key.public_numbers().e < _MAX_EXPONENT
