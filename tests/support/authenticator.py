"""An authenticator in software, with the browser around it: it makes passkeys and signs with them, and lies where a test tells it to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 1, 4, 8, 16, 64
"""The flags of authenticator data (WebAuthn Level 3 §6.1)."""
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    """One passkey in the authenticator."""

    id: bytes
    key: PrivateKey
    rp_id: str
    handle: str


@dataclass
class Authenticator:
    """`flags` are set besides what a ceremony sets; `count` is what the next use says, 0 for ever where it does not count."""

    origin: str
    algorithm: str = "ES256"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    counts: bool = True
    aaguid: bytes = bytes(16)
    passkeys: list[Credential] = field(default_factory=list)

    def create(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to `navigator.credentials.create`, as JSON."""
        passkey = lies.get("credential") or Credential(
            secrets.token_bytes(32), new_key(self.algorithm), options["rp"]["id"], options["user"]["id"]
        )
        self.passkeys.append(passkey)
        cose = lies.get("cose", cbor2.dumps(cose_of(passkey.key)))
        attested = self.aaguid + len(passkey.id).to_bytes(2, "big") + passkey.id + cose
        data = self._data(lies.get("rp_id", passkey.rp_id), ATTESTED, lies) + attested
        client = self._client("webauthn.create", options, lies)
        statement = lies.get("statement", {"fmt": "none", "attStmt": {}})
        if "over_itself" in lies:
            signed = data + hashlib.sha256(client if lies["over_itself"] else b"").digest()
            statement = {"fmt": "packed", "attStmt": {"alg": -7, "sig": sign(passkey.key, signed)}}
        parts = {
            "clientDataJSON": b64(client),
            "attestationObject": b64(lies.get("attestation", cbor2.dumps({**statement, "authData": data}))),
            "transports": ["internal", "hybrid"],
        }
        return answer(lies.get("id", passkey.id), parts)

    def get(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to `navigator.credentials.get`, as JSON."""
        passkey = lies.get("passkey") or self._chosen(options)
        if self.counts:
            self.count += 1
        client = self._client("webauthn.get", options, lies)
        data = self._data(lies.get("rp_id", passkey.rp_id), 0, lies)
        signature = sign(lies.get("key", passkey.key), data + hashlib.sha256(client).digest())
        parts = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(lies.get("data", data)),
            "signature": b64(lies.get("signature", signature)),
            "userHandle": lies.get("handle", passkey.handle),
        }
        return answer(passkey.id, parts)

    def _chosen(self, options: dict[str, Any]) -> Credential:
        allowed = {unb64(one["id"]) for one in options["allowCredentials"]}
        return next(one for one in self.passkeys if one.rp_id == options["rpId"] and (not allowed or one.id in allowed))

    def _client(self, ceremony: str, options: dict[str, Any], lies: dict[str, Any]) -> bytes:
        told = {
            "type": lies.get("type", ceremony),
            "challenge": lies.get("challenge", options["challenge"]),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": lies.get("cross_origin", False),
        }
        return json.dumps(told).encode()

    def _data(self, rp_id: str, flags: int, lies: dict[str, Any]) -> bytes:
        flags |= lies.get("flags", self.flags)
        count = lies.get("count", self.count)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + int(count).to_bytes(4, "big")


def answer(identifier: bytes, parts: dict[str, Any]) -> str:
    """A public key credential as JSON (WebAuthn Level 3 §5.1.9)."""
    named = b64(identifier)
    return json.dumps({"id": named, "rawId": named, "type": "public-key", "response": parts})


def new_key(algorithm: str) -> PrivateKey:
    match algorithm:
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case "RS256":
            return rsa.generate_private_key(65537, 2048)
        case _:
            return ec.generate_private_key(ec.SECP256R1())


def cose_of(key: PrivateKey) -> dict[int, Any]:
    """The public half as a COSE key (RFC 9053)."""
    match key:
        case ed25519.Ed25519PrivateKey():
            return {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
        case rsa.RSAPrivateKey():
            numbers = key.public_key().public_numbers()
            return {1: 3, 3: -257, -1: _bytes(numbers.n, key.key_size // 8), -2: _bytes(numbers.e, 3)}
        case _:
            point = key.public_key().public_numbers()
            return {1: 2, 3: -7, -1: 1, -2: _bytes(point.x, 32), -3: _bytes(point.y, 32)}


def sign(key: PrivateKey, message: bytes) -> bytes:
    match key:
        case ed25519.Ed25519PrivateKey():
            return key.sign(message)
        case rsa.RSAPrivateKey():
            return key.sign(message, padding.PKCS1v15(), SHA256())
        case _:
            return key.sign(message, ec.ECDSA(SHA256()))


def _bytes(number: int, length: int) -> bytes:
    return number.to_bytes(length, "big")
