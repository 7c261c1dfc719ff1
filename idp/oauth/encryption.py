"""What a client may have encrypted for it, and how (OpenID Connect Registration §2, RFC 7518 §4.1, §5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import Key

ALGORITHMS = ("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
ENCODINGS = ("A128CBC-HS256", "A128GCM", "A256GCM")
_CURVES = frozenset({"P-256", "P-384", "P-521", "X25519"})


@dataclass(frozen=True, slots=True)
class Encryption:
    """The algorithms of a JWE (RFC 7516 §4.1.1, §4.1.2)."""

    alg: str
    enc: str


def wanted(metadata: Mapping[str, Any], what: str) -> Encryption | None:
    """How the client wants `what` encrypted (`id_token` or `userinfo`); None: not at all."""
    alg = metadata.get(f"{what}_encrypted_response_alg")
    return Encryption(alg, metadata.get(f"{what}_encrypted_response_enc", ENCODINGS[0])) if alg else None


def recipient_of(keys: Iterable[Key], alg: str) -> Key | None:
    """The key to encrypt with: one that is said to be for this before one that is for anything."""
    fitting = [key for key in keys if _fits(key, alg)]
    return next((key for key in fitting if key.get("use") == "enc"), fitting[0] if fitting else None)


def _fits(key: Key, alg: str) -> bool:
    if key.get("use", "enc") != "enc" or key.get("alg", alg) != alg:
        return False
    return key.key_type == "RSA" if alg.startswith("RSA") else key.get("crv") in _CURVES
