"""Nonces for DPoP proofs without a store: a time and its HMAC, so any node that knows the secret knows its own (RFC 9449 §8, §9)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field

_PURPOSE = b"token_guard DPoP nonce\0"
_TIME, _TAG = 8, 16
_MIN_SECRET = 32


@dataclass(frozen=True, slots=True)
class Nonces:
    """`secrets` of at least 32 bytes are shared by all nodes: the first makes nonces, all are accepted, so they can be rotated.

    `lifetime` in seconds.
    """

    secrets: tuple[bytes, ...] = field(repr=False)
    lifetime: int = 300

    def __post_init__(self) -> None:
        if not self.secrets or any(len(secret) < _MIN_SECRET for secret in self.secrets):
            raise ValueError(f"nonces need secrets of at least {_MIN_SECRET} bytes")

    def make(self, now: float) -> str:
        """A nonce of this moment."""
        return _encoded(int(now), self.secrets[0])

    def age(self, nonce: object, now: float) -> float | None:
        """How old a nonce of ours is, in seconds; None for one that is not ours or has outlived its time."""
        made_at = _time_in(nonce)
        if made_at is None or not 0 <= now + 1 - made_at <= self.lifetime + 1:
            return None
        if not any(hmac.compare_digest(str(nonce), _encoded(made_at, secret)) for secret in self.secrets):
            return None
        return now - made_at


def _encoded(made_at: int, secret: bytes) -> str:
    time = made_at.to_bytes(_TIME, "big")
    tag = hmac.digest(secret, _PURPOSE + time, hashlib.sha256)[:_TAG]
    return base64.urlsafe_b64encode(time + tag).decode("ascii")


def _time_in(nonce: object) -> int | None:
    if not isinstance(nonce, str) or len(nonce) != 4 * (_TIME + _TAG) // 3 or not nonce.isascii():
        return None
    try:
        return int.from_bytes(base64.b64decode(nonce, altchars=b"-_", validate=True)[:_TIME], "big")
    except (ValueError, binascii.Error):
        return None
