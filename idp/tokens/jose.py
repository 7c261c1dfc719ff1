"""JSON Web Signatures: composed with a prepared header and one signature, read strictly through joserfc (RFC 7515, RFC 8725)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

MAX_TOKEN = 16 * 1024
RSA_BITS = 3072
ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
_KEY_TYPES: Mapping[str, type[ECKey | OKPKey | RSAKey]] = {
    "ES256": ECKey,
    "RS256": RSAKey,
    "PS256": RSAKey,
    "Ed25519": OKPKey,
}
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_ECDSA = ec.ECDSA(hashes.SHA256())
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def encode(raw: bytes) -> bytes:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@dataclass(frozen=True, slots=True)
class Signer:
    """One private key made ready: `compose` costs one JSON encoding and one signature."""

    kid: str
    alg: str
    sign: Callable[[bytes], bytes]
    _headers: dict[str, bytes] = field(default_factory=dict, repr=False)

    def compose(self, typ: str, claims: Mapping[str, Any]) -> str:
        """The compact JWS of these claims with `typ`, `alg` and `kid` in its header."""
        header = self._headers.get(typ)
        if header is None:
            document = {"typ": typ, "alg": self.alg, "kid": self.kid}
            header = self._headers[typ] = encode(_compact(document).encode()) + b"."
        signed = header + encode(_compact(claims).encode())
        return (signed + b"." + encode(self.sign(signed))).decode("ascii")


def signer_of(kid: str, alg: str, private_pem: bytes) -> Signer:
    """A signer from an unencrypted PKCS #8 PEM; importing costs milliseconds, so do it once."""
    key = serialization.load_pem_private_key(private_pem, None)
    return Signer(kid, alg, _signing(alg, key))


def _signing(alg: str, key: Any) -> Callable[[bytes], bytes]:
    match alg:
        case "ES256":
            return lambda signed: _raw_ecdsa(key.sign(signed, _ECDSA))
        case "RS256":
            return lambda signed: bytes(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))
        case "PS256":
            return lambda signed: bytes(key.sign(signed, _PSS, hashes.SHA256()))
        case "Ed25519":
            return lambda signed: bytes(key.sign(signed))
    raise ValueError(f"no such algorithm: {alg}")


def _raw_ecdsa(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def generate(alg: str) -> PrivateKey:
    """A new private key for the algorithm: P-256, RSA with 3072 bits, or Ed25519."""
    match alg:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "RS256" | "PS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"no such algorithm: {alg}")


def private_pem(key: PrivateKey) -> bytes:
    """PKCS #8 PEM without encryption, to be sealed by the caller."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_jwk(alg: str, key: PrivateKey) -> dict[str, Any]:
    """The public JWK: members of the key type, `use`, `alg`, and its RFC 7638 thumbprint as `kid`."""
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    imported: Key = _KEY_TYPES[alg].import_key(pem)
    return {
        **imported.as_dict(private=False),
        "use": "sig",
        "alg": alg,
        "kid": imported.thumbprint(),
    }


def verifier_of(jwk: Mapping[str, Any]) -> Key:
    """joserfc's key for a public JWK."""
    members = {name: value for name, value in jwk.items() if name not in {"use", "alg", "kid"}}
    return _KEY_TYPES[str(jwk["alg"])].import_key(members)


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature holds."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


FindKey = Callable[[str], tuple[str, Key] | None]
"""kid -> the one algorithm of that key, and the key."""


def verify(token: str, find: FindKey, *, types: Collection[str | None]) -> Verified | None:
    """The header and claims of a JWT signed by a key that `find` knows; None for anything else, however malformed.

    `types` are the accepted values of `typ` in lower case, None for its absence (RFC 8725 §3.11).
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        return None
    try:
        header = jws.extract_compact(token.encode()).headers()
        typ, kid = header.get("typ"), header.get("kid")
        found = find(kid) if isinstance(kid, str) else None
        if found is None or not _acceptable(typ, types):
            return None
        alg, key = found
        verified = jws.deserialize_compact(token, key, algorithms=[alg])
        claims = json.loads(verified.payload or b"")
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return Verified(header, claims) if isinstance(claims, dict) else None


def _acceptable(typ: Any, types: Collection[str | None]) -> bool:
    if typ is None:
        return None in types
    return isinstance(typ, str) and typ.lower().removeprefix("application/") in types
