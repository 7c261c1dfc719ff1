"""Signed messages by Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature` over exactly these and the body.

`v1` is HMAC-SHA-256 with a shared secret (`whsec_...`), `v1a` Ed25519 (the private key is `whsk_...`, the public one `whpk_...`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TOLERANCE_SECONDS = 300
_SECRET, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_SECRET_BYTES = 32
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


class Unverified(Exception):
    """The signature, its age or its headers are not as they must be; which is for the log."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs messages to one receiver. `scheme` is `v1` or `v1a`; `text` is secret."""

    scheme: str
    text: str

    def __repr__(self) -> str:
        return f"SigningKey({self.scheme!r}, ...)"

    @classmethod
    def new(cls, scheme: str) -> SigningKey:
        """A fresh one."""
        prefix = _SECRET if scheme == "v1" else _PRIVATE
        return cls(scheme, prefix + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode())

    @property
    def shown(self) -> str:
        """What the receiver needs to verify: the secret itself, or the public key."""
        if self.scheme == "v1":
            return self.text
        public = self._private().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return _PUBLIC + base64.b64encode(public).decode()

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """One signature, with its scheme."""
        content = f"{message_id}.{timestamp}.".encode() + body
        raw = self._mac(content) if self.scheme == "v1" else self._private().sign(content)
        return f"{self.scheme},{base64.b64encode(raw).decode()}"

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(_raw(self.text, _SECRET), content, hashlib.sha256)

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(_raw(self.text, _PRIVATE))


def headers(keys: Iterable[SigningKey], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers; one signature for each key, so that a receiver may know either of two while they change."""
    signatures = " ".join(key.sign(message_id, timestamp, body) for key in keys)
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: signatures}


def verify(accepted: Iterable[str], given: Mapping[str, str], body: bytes, *, now: float) -> str:
    """The id of a message signed with one of these shared secrets a moment ago; raises `Unverified`."""
    message_id, timestamp = given.get(ID, ""), given.get(TIMESTAMP, "")
    if not 0 < len(message_id) <= 128 or not message_id.isascii() or not message_id.isprintable():
        raise Unverified("id")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise Unverified("timestamp")
    if abs(int(timestamp) - now) > TOLERANCE_SECONDS:
        raise Unverified("age")
    expected = [SigningKey("v1", secret).sign(message_id, int(timestamp), body).encode() for secret in accepted]
    offered = given.get(SIGNATURE, "").encode("utf-8", "replace").split(b" ")
    if not any(hmac.compare_digest(mine, one) for mine in expected for one in offered):
        raise Unverified("signature")
    return message_id


def _raw(text: str, prefix: str) -> bytes:
    """The key's bytes; a shared secret that an operator made up counts as it is written."""
    if not text.startswith(prefix):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except binascii.Error:
        return text.encode()
