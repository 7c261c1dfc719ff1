"""Password hashes from elsewhere: `$2b$` and its kin, PBKDF2, scrypt and Argon2, verified as they are."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

import bcrypt

from idp.errors import Refused

try:
    import argon2
except ImportError:  # the extra `argon2` is not installed
    argon2 = None  # type: ignore[assignment]

_BCRYPT = ("$2a$", "$2b$", "$2y$")
_BCRYPT_BYTES = 72
_MAX_ITERATIONS = 2_000_000
_SCRYPT_MEMORY = 64 * 1024 * 1024


def argon2id() -> Any:
    """Argon2id with 19 MiB and two passes (OWASP); raises `Refused` without the extra."""
    if argon2 is None:
        raise Refused("hash_scheme", "IDP_HASH_SCHEME=argon2id needs the extra argon2")
    return argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def verify(password: str, stored: str) -> bool:
    """Whether an imported hash is of this password; False for a form we do not know."""
    raw = password.encode()
    if stored.startswith((*_BCRYPT, "$argon2")):
        return verify_slow(raw[:_BCRYPT_BYTES] if stored.startswith(_BCRYPT) else raw, stored)
    if stored.startswith("pbkdf2_"):
        return _django_pbkdf2(raw, stored)
    if stored.startswith("$pbkdf2-"):
        return _passlib_pbkdf2(raw, stored)
    if stored.startswith("$scrypt$"):
        return _passlib_scrypt(raw, stored)
    return False


def verify_slow(raw: bytes, stored: str) -> bool:
    """bcrypt or Argon2 over bytes."""
    try:
        if stored.startswith(_BCRYPT):
            return bcrypt.checkpw(raw, stored.encode("ascii"))
        if argon2 is not None and stored.startswith("$argon2"):
            return bool(argon2.PasswordHasher().verify(stored, raw))
    except (ValueError, UnicodeEncodeError):
        return False
    except Exception as error:
        if argon2 is not None and isinstance(error, argon2.exceptions.Argon2Error):
            return False
        raise
    return False


def _django_pbkdf2(raw: bytes, stored: str) -> bool:
    """`pbkdf2_sha256$iterations$salt$hash`."""
    try:
        scheme, iterations, salt, expected = stored.split("$")
        return _pbkdf2(scheme.removeprefix("pbkdf2_"), raw, salt.encode(), int(iterations), base64.b64decode(expected))
    except (ValueError, binascii.Error):
        return False


def _passlib_pbkdf2(raw: bytes, stored: str) -> bool:
    """`$pbkdf2-sha256$rounds$salt$checksum`, in passlib's base64 with `.` for `+`."""
    try:
        _, scheme, rounds, salt, expected = stored.split("$")
        return _pbkdf2(scheme.removeprefix("pbkdf2-"), raw, _ab64(salt), int(rounds), _ab64(expected))
    except (ValueError, binascii.Error):
        return False


def _pbkdf2(digest: str, raw: bytes, salt: bytes, iterations: int, expected: bytes) -> bool:
    if digest not in {"sha256", "sha512"} or not 0 < iterations <= _MAX_ITERATIONS or len(expected) < 16:
        return False
    return hmac.compare_digest(hashlib.pbkdf2_hmac(digest, raw, salt, iterations, len(expected)), expected)


def _passlib_scrypt(raw: bytes, stored: str) -> bool:
    """`$scrypt$ln=16,r=8,p=1$salt$checksum`."""
    try:
        _, _, parameters, salt, expected = stored.split("$")
        cost = dict(part.split("=") for part in parameters.split(","))
        wanted = _ab64(expected)
        made = hashlib.scrypt(
            raw,
            salt=_ab64(salt),
            n=1 << min(int(cost["ln"]), 31),  # more than we lend memory for
            r=int(cost["r"]),
            p=int(cost["p"]),
            maxmem=_SCRYPT_MEMORY,
            dklen=len(wanted),
        )
    except (ValueError, KeyError, binascii.Error, OverflowError):
        return False
    return len(wanted) >= 16 and hmac.compare_digest(made, wanted)


def _ab64(text: str) -> bytes:
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4))
