"""The last good answer of a configuration server, for a start while it is down.

With a token the copy is sealed with a key made of it (AES-256-GCM): who can read the copy could have asked the server. Without one it holds no
secrets at all. It is readable by its owner alone, and replaced whole.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_SEALED, _OPEN = b"sealed ", b"open "


class LastGood:
    """The copy in `path`; `is_secret` says which names must not lie there in clear."""

    def __init__(self, path: Path, token: str | None, is_secret: Callable[[str], bool]) -> None:
        self._path = path
        self._key = hmac.digest(token.encode(), b"last good settings", hashlib.sha256) if token else None
        self._is_secret = is_secret

    def keep(self, values: Mapping[str, str]) -> None:
        """Replace the copy; one that says the same already is left alone."""
        if self.recall() == self._kept(values):
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._written(self._kept(values)))
        made.replace(self._path)

    def recall(self) -> dict[str, str] | None:
        """The copy; None where there is none, or none that this token opens."""
        try:
            kept = self._path.read_bytes()
            text = self._unsealed(kept[len(_SEALED) :]) if kept.startswith(_SEALED) else kept.removeprefix(_OPEN)
            return {str(name): str(value) for name, value in json.loads(text).items()}
        except (OSError, ValueError, InvalidTag):
            return None

    def _kept(self, values: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in values.items() if self._key is not None or not self._is_secret(name)}

    def _written(self, values: Mapping[str, str]) -> bytes:
        text = json.dumps(values).encode()
        if self._key is None:
            return _OPEN + text
        nonce = os.urandom(_NONCE)
        return _SEALED + nonce + AESGCM(self._key).encrypt(nonce, text, _SEALED)

    def _unsealed(self, sealed: bytes) -> bytes:
        if self._key is None:
            raise ValueError("no token")
        return AESGCM(self._key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _SEALED)
