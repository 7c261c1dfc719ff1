"""Passwords at rest: bcrypt (or Argon2id) over a keyed pre-hash, in a bounded pool, at the same cost for people who do not exist.

NFC, at most 1,024 bytes, HMAC-SHA-256 with a pepper from the master key, base64, then the slow hash: bcrypt never sees more than 44 bytes,
no NUL, and a stolen database alone cannot be guessed against. Imported hashes are verified as they are and rewritten at the next login.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TypeVar

import bcrypt

from idp.errors import Refused, Unavailable
from idp.marked import N_
from idp.platform import i18n, priority
from idp.platform.db import Waiting
from idp.platform.secrets import MasterKey
from idp.users import imported_hashes
from idp.users.common_passwords import is_common

MAX_BYTES = 1024
_PEPPER = "password-pepper"
_PATIENCE = 10.0
"""Seconds after which a password is not left to idle time alone any more."""
_BCRYPT_CHECKSUM = 31  # characters, of bcrypt's own base64
_MIN_VARIETY, _MIN_REST, _MIN_WORD = 4, 8, 4
_PARTS = re.compile(r"[\W_]+")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one verification: whether it matched, and whether the stored hash should be written anew."""

    ok: bool
    outdated: bool = False


class PasswordHasher:
    """Hashes and verifies in at most `workers` threads, in idle time; when `queue` others wait, it answers `Unavailable`.

    Where there is no idle time, and who asks has waited for `patience` seconds, as many threads hash that only step back behind all others.
    Who asks is within `waiting` meanwhile.
    """

    def __init__(
        self,
        master: MasterKey,
        *,
        scheme: str,
        cost: int,
        workers: int,
        queue: int,
        waiting: Waiting | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._pepper = master.derive(_PEPPER)
        self._pepper_id = master.tag("id", purpose=_PEPPER)[:8]
        self._argon2 = imported_hashes.argon2id() if scheme == "argon2id" else None
        self._cost = cost
        self._waiting = waiting or nullcontext()
        self._patience = patience
        self._idle = ThreadPoolExecutor(workers, thread_name_prefix="hash", initializer=priority.take_idle_time)
        self._late = ThreadPoolExecutor(workers, thread_name_prefix="late hash", initializer=priority.step_back)
        self._places = BoundedSemaphore(workers + queue)
        self._nobody = self._nobodys()

    def hash(self, password: str) -> str:
        """The stored form of a new password; `check_acceptable` is the caller's."""
        return self._in_pool(lambda: self._hash(password))

    def verify(self, password: str, stored: str | None) -> Check:
        """Compare with the stored form; None costs as much as somebody's."""
        if not _measured(password):
            return Check(ok=False)
        return self._in_pool(lambda: self._verify(password, stored))

    def _in_pool(self, work: Callable[[], _Result]) -> _Result:
        if not self._places.acquire(blocking=False):
            raise Unavailable("too many passwords wait to be hashed", retry_after=5)
        try:
            with self._waiting:
                return self._computed(work)
        finally:
            self._places.release()

    def _computed(self, work: Callable[[], _Result]) -> _Result:
        hashing = self._idle.submit(work)
        try:
            return hashing.result(self._patience)
        except TimeoutError:
            hashing.cancel()
            return self._late.submit(work).result()

    def _prehash(self, password: str) -> bytes:
        mac = hmac.digest(self._pepper, unicodedata.normalize("NFC", password).encode(), "sha256")
        return base64.b64encode(mac)

    def _hash(self, password: str) -> str:
        prehashed = self._prehash(password)
        if self._argon2 is not None:
            return f"idp1${self._pepper_id}${self._argon2.hash(prehashed)}"
        return f"idp1${self._pepper_id}${bcrypt.hashpw(prehashed, bcrypt.gensalt(self._cost)).decode('ascii')}"

    def _nobodys(self) -> str:
        """A stored form that no password has. Its comparison costs as much as any; bcrypt's is put together, since hashing takes a quarter of a
        second of every start."""
        if self._argon2 is not None:
            return self._hash(secrets.token_urlsafe())
        salted, checksum = bcrypt.gensalt(self._cost).decode("ascii"), secrets.token_hex(_BCRYPT_CHECKSUM)
        return f"idp1${self._pepper_id}${salted}{checksum[:_BCRYPT_CHECKSUM]}"

    def _verify(self, password: str, stored: str | None) -> Check:
        prefix, pepper_id, slow = _split(stored or self._nobody)
        if prefix != "idp1":
            return Check(ok=imported_hashes.verify(password, stored or ""), outdated=True)
        matches = imported_hashes.verify_slow(self._prehash(password), slow) and stored is not None
        return Check(ok=matches, outdated=pepper_id != self._pepper_id or not self._is_current(slow))

    def _is_current(self, slow: str) -> bool:
        if self._argon2 is not None:
            return slow.startswith("$argon2id$") and not self._argon2.check_needs_rehash(slow)
        return slow.startswith(f"$2b${self._cost:02d}$")


def check_acceptable(password: str, *, min_length: int, context: Sequence[str]) -> None:
    """Raise `Refused` for a password that is too short, too long, common, or made of names that everybody knows (NIST SP 800-63B §3.1.1.2).

    `context` are the person's names and the service's: without them enough must be left.
    """
    if not _measured(password):
        raise Refused(
            "password",
            i18n.gettext("A password has at most %(number)s bytes and no control characters", number=MAX_BYTES),
        )
    if len(unicodedata.normalize("NFC", password)) < min_length:
        raise Refused("password", i18n.gettext("A password has at least %(number)s characters", number=min_length))
    folded = password.casefold()
    if is_common(folded) or len(set(folded)) < _MIN_VARIETY:
        raise Refused("password", N_("This password is too common"))
    rest = _without(folded, context)
    if rest != folded and (len(rest) < _MIN_REST or is_common(rest)):
        raise Refused("password", N_("A password must not be made of your own names, or of ours"))


def _without(folded: str, context: Sequence[str]) -> str:
    """What is left without these words; short ones stand in too many others."""
    words = {word for name in context for word in (name.casefold(), *_PARTS.split(name.casefold()))}
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _MIN_WORD:
            folded = folded.replace(word, "")
    return folded


def _measured(password: str) -> bool:
    try:
        raw = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        return False
    return 0 < len(raw) <= MAX_BYTES and "\x00" not in password


def _split(stored: str) -> tuple[str, str, str]:
    prefix, _, rest = stored.partition("$")
    pepper_id, _, slow = rest.partition("$")
    return (prefix, pepper_id, slow) if prefix == "idp1" else ("", "", stored)
