"""The master key: everything secret at rest is sealed with keys derived from it, one for each purpose.

It lies in `keys/master.key` (mode 0600) or comes from the settings, and never in the database, which holds only a check value of it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from idp.errors import Refused

KEY_BYTES = 32
_NONCE_BYTES = 12


class MasterKey:
    """Derives keys, seals and opens; keeps the raw key to itself."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise Refused("master_key", "the master key must be 32 bytes in base64url")
        self._raw = raw
        self._derived: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return "MasterKey(...)"

    @classmethod
    def parse(cls, text: str) -> MasterKey:
        """From base64url text, padded or not; raises `Refused` for anything else."""
        bare = text.strip().rstrip("=")
        try:
            return cls(base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError) as error:
            raise Refused("master_key", "the master key must be 32 bytes in base64url") from error

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose (HKDF-SHA-256, RFC 5869)."""
        key = self._derived.get(purpose)
        if key is None:
            key = self._derived[purpose] = derive(self._raw, purpose)
        return key

    def seal(self, clear: bytes, *, purpose: str) -> bytes:
        """AES-256-GCM under the key of `purpose`."""
        return seal(self.derive(purpose), clear)

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """The clear bytes; raises `Refused` when the key or the purpose is another, or a bit was changed."""
        return unseal(self.derive(purpose), sealed)

    def tag(self, value: str, *, purpose: str) -> str:
        """A keyed tag of a value (HMAC-SHA-256, hex): for CSRF tokens and for check values."""
        return hmac.digest(self.derive(purpose), value.encode(), "sha256").hex()


def derive(key: bytes, purpose: str) -> bytes:
    """32 bytes derived from `key` for one purpose (HKDF-SHA-256, RFC 5869)."""
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(key)


def seal(key: bytes, clear: bytes) -> bytes:
    """AES-256-GCM with a random nonce in front."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, clear, None)


def unseal(key: bytes, sealed: bytes) -> bytes:
    """What `seal` sealed; raises `Refused` when the key is another or a bit was changed."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except (InvalidTag, ValueError) as error:
        raise Refused("sealed", "a sealed value cannot be opened with this master key") from error


def read_master_key(keys_dir: Path) -> MasterKey | None:
    """The key in `master.key`, or None where there is none; refuses a file that others can read."""
    path = keys_dir / "master.key"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("master_key", f"{path} cannot be read") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Refused("master_key", f"{path} is open to others; chmod 600 it")
    return MasterKey.parse(text)


def create_master_key(keys_dir: Path) -> MasterKey:
    """The key in `master.key`, made if there is none. Of several processes at once exactly one makes it."""
    keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = read_master_key(keys_dir)
    if found is not None:
        return found
    text = base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    draft = keys_dir / f".master.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, keys_dir / "master.key")  # atomic and exclusive: a half-written key is never seen
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    made = read_master_key(keys_dir)
    if made is None:
        raise Refused("master_key", f"{keys_dir / 'master.key'} vanished while it was made")
    return made
