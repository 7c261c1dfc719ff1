"""Tokens that were good a moment ago, so that their signature need not be checked at each call; off unless asked for."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

from token_guard.forking import survive_forks
from token_guard.principal import Principal

MAX_SECONDS = 30
_MAX_TOKENS = 10_000


class VerifiedTokens:
    """Keeps callers by the SHA-256 of their token: for `seconds`, never past its end, and no longer than `generation` stays the same."""

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds <= MAX_SECONDS:
            raise ValueError(f"verified tokens are kept for at most {MAX_SECONDS} s")
        self._seconds = seconds
        self._kept: OrderedDict[bytes, tuple[Principal, float, int]] = OrderedDict()
        self._lock = Lock()
        survive_forks(self)

    def find(self, token: str, *, generation: int, now: float) -> Principal | None:
        """The caller, when the token was good a moment ago."""
        entry = self._kept.get(_digest(token))
        if entry is None or entry[2] != generation or entry[1] <= now:
            return None
        return entry[0]

    def keep(self, token: str, principal: Principal, *, generation: int, now: float) -> None:
        """Remember a caller under the generation its keys were of when it was checked."""
        until = min(now + self._seconds, principal.expires_at)
        with self._lock:
            self._kept[_digest(token)] = (principal, until, generation)
            if len(self._kept) > _MAX_TOKENS:
                self._kept.popitem(last=False)

    def after_fork(self) -> None:
        """A child has a lock of its own."""
        self._lock = Lock()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
