"""Identifiers: time-ordered ones for rows, and random ones that nobody can guess."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets

from idp.platform import base64url

_MILLISECOND_BYTES = 6
_ID_CHARS = 26
_CHUNK, _CHUNKS = 16, 256


class RandomBytes:
    """Random bytes from the operating system, drawn 256 times 128 bits at once.

    Drawing lets go of the interpreter, and with many threads at work a request waits for its turn again each time it does so.
    A forked process never sees what its parent drew.
    """

    def __init__(self) -> None:
        self._drawn: list[bytes] = []
        os.register_at_fork(after_in_child=self._drawn.clear)

    def draw(self) -> bytes:
        """128 bits that nobody else gets."""
        try:
            return self._drawn.pop()
        except IndexError:
            raw = os.urandom(_CHUNK * _CHUNKS)
            self._drawn += [raw[at : at + _CHUNK] for at in range(_CHUNK, len(raw), _CHUNK)]
            return raw[:_CHUNK]

    def text(self) -> str:
        """128 bits in base64url: 22 characters."""
        return base64url.encode(self.draw()).decode("ascii")


def new_id(now: float) -> str:
    """A 26-character lower-case base32 id: 48 bits of milliseconds, then 80 random bits, so ids sort by creation."""
    raw = int(now * 1000).to_bytes(_MILLISECOND_BYTES, "big") + secrets.token_bytes(10)
    return base64.b32hexencode(raw).decode("ascii").rstrip("=").lower()


def created_at(identifier: str) -> float:
    """When `new_id` made this id, in seconds; raises `ValueError` for anything else."""
    if len(identifier) != _ID_CHARS:
        raise ValueError("not an id of ours")
    raw = base64.b32hexdecode(identifier.upper() + "======")
    return int.from_bytes(raw[:_MILLISECOND_BYTES], "big") / 1000


def new_secret() -> str:
    """256 random bits in base64url: codes, refresh tokens, cookies, client secrets."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a 256-bit bearer secret: its SHA-256 in hex. Never use it for passwords."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
