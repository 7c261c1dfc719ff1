"""JSON Web Signatures: composed with a prepared header and one signature, read back just as strictly (RFC 7515, RFC 8725)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from idp.platform.base64url import decode, encode
from idp.platform.jsontext import compact

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
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_OURS = {"typ", "alg", "kid"}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


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
            header = self._headers[typ] = encode(compact(document)) + b"."
        signed = header + encode(compact(claims))
        return (signed + b"." + encode(self.sign(signed))).decode("ascii")


def signer_of(kid: str, alg: str, private_pem: bytes) -> Signer:
    """A signer from an unencrypted PKCS #8 PEM that came out of its seal untouched: it was checked when it went in."""
    key = serialization.load_pem_private_key(private_pem, None, unsafe_skip_rsa_key_validation=True)
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


@dataclass(frozen=True, slots=True)
class Verifier:
    """One public key made ready: the one algorithm it is for, and a check that raises `InvalidSignature`."""

    alg: str
    check: Callable[[bytes, bytes], None]


def verifier_of(jwk: Mapping[str, Any]) -> Verifier:
    """A verifier for a public JWK; `check` takes the signature and what was signed."""
    alg = str(jwk["alg"])
    members = {name: value for name, value in jwk.items() if name not in {"use", "alg", "kid"}}
    return Verifier(alg, _checking(alg, _KEY_TYPES[alg].import_key(members).public_key))


def _checking(alg: str, key: Any) -> Callable[[bytes, bytes], None]:
    match alg:
        case "ES256":
            return lambda signature, signed: key.verify(_der_ecdsa(signature), signed, _ECDSA)
        case "RS256":
            return lambda signature, signed: key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        case "PS256":
            return lambda signature, signed: key.verify(signature, signed, _PSS, hashes.SHA256())
        case "Ed25519":
            return lambda signature, signed: key.verify(signature, signed)  # noqa: PLW0108 - the key is untyped
    raise ValueError(f"no such algorithm: {alg}")


def _der_ecdsa(signature: bytes) -> bytes:
    if len(signature) != 64:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature holds."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


FindVerifier = Callable[[str], Verifier | None]
"""kid -> the key of ours by that name."""


def verify(token: str, find: FindVerifier, *, types: Collection[str]) -> Verified | None:
    """The header and claims of a JWT that `Signer.compose` made with a key `find` knows; None for anything else, however malformed.

    A header of ours has `typ`, `alg` and `kid` and nothing more, so whatever else a header may say is refused unread (RFC 8725 §3).
    `types` are the accepted values of `typ` in lower case (§3.11).
    """
    shape = _COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN else None
    header = _document(shape[1]) if shape else None
    if (
        shape is None
        or header is None
        or header.keys() != _OURS
        or not all(isinstance(one, str) for one in header.values())
    ):
        return None
    verifier = find(header["kid"])
    if verifier is None or verifier.alg != header["alg"] or header["typ"].lower() not in types:
        return None
    try:
        verifier.check(decode(shape[3]), token[: shape.end(2)].encode())
    except (InvalidSignature, ValueError):
        return None
    claims = _document(shape[2])
    return None if claims is None else Verified(header, claims)


def _document(part: str) -> dict[str, Any] | None:
    try:
        document = json.loads(decode(part))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
