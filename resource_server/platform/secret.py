"""One secret that the nodes of the services share, and what is made of it: seals for what is kept, signatures for what is handed out."""

from __future__ import annotations

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
    """`text` is what the operator set; each purpose has a key of its own."""

    def __init__(self, text: str) -> None:
        self._root = text.encode()

    def sign(self, purpose: str, message: bytes) -> bytes:
        """32 bytes that only holders of the secret can make."""
        return hmac.digest(self._key(f"sign {purpose}"), message, hashlib.sha256)

    def seal(self, purpose: str, text: bytes, *, bound_to: str) -> bytes:
        """The text, unreadable without the secret and only where it belongs (AES-256-GCM)."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._key(f"seal {purpose}")).encrypt(nonce, text, bound_to.encode())

    def unseal(self, purpose: str, sealed: bytes, *, bound_to: str) -> bytes:
        """What was sealed; raises `Unsealable`."""
        try:
            cipher = AESGCM(self._key(f"seal {purpose}"))
            return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound_to.encode())
        except (InvalidTag, ValueError) as error:
            raise Unsealable(purpose) from error

    def _key(self, purpose: str) -> bytes:
        return hmac.digest(self._root, f"resource-server {purpose}".encode(), hashlib.sha256)


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
