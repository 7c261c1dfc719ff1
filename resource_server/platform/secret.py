"""One secret that the nodes of the services share, and what is made of it: seals for what is kept, signatures for what is handed out."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class Unsealable(Exception):
    """What was sealed under another secret, or changed since."""


class Secret:
    """`text` is what the operator set; each purpose has a key of its own.

    What was made with the `other` one is accepted too, and nothing is made with it: so nodes change over one by one, first knowing both.
    """

    def __init__(self, text: str, other: str | None = None) -> None:
        self._roots = tuple(one.encode() for one in (text, other) if one is not None)

    def sign(self, purpose: str, message: bytes) -> bytes:
        """32 bytes that only holders of the secret can make."""
        return self.accepted(purpose, message)[0]

    def accepted(self, purpose: str, message: bytes) -> tuple[bytes, ...]:
        """The same, and what the other secret would make of it."""
        return tuple(hmac.digest(_key(root, f"sign {purpose}"), message, hashlib.sha256) for root in self._roots)

    def seal(self, purpose: str, text: bytes, *, bound_to: str) -> bytes:
        """The text, unreadable without the secret and only where it belongs (AES-256-GCM)."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(_key(self._roots[0], f"seal {purpose}")).encrypt(nonce, text, bound_to.encode())

    def unseal(self, purpose: str, sealed: bytes, *, bound_to: str) -> bytes:
        """What was sealed; raises `Unsealable`."""
        for root in self._roots:
            with contextlib.suppress(InvalidTag, ValueError):
                cipher = AESGCM(_key(root, f"seal {purpose}"))
                return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to.encode())
        raise Unsealable(purpose)


def _key(root: bytes, purpose: str) -> bytes:
    return hmac.digest(root, f"resource-server {purpose}".encode(), hashlib.sha256)


def kept_in(folder: Path) -> str:
    """The secret of a machine whose operator set none: made once, whoever comes first, and readable by its user alone."""
    file = folder / "resource-server.secret"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = folder / f".resource-server.secret.{secrets.token_hex(8)}"
    if not file.exists():
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(48))
        try:
            file.hardlink_to(made)  # fails where another process was first; never shows a half-written file
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return file.read_text("utf-8")
