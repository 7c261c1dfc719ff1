"""Single use in Redis: SET NX decides. Its `maxmemory-policy` must be `noeviction`, or keys are forgotten early."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from token_guard.once import StoreError


class RedisOnce:
    """`client` is a `redis.Redis`, or anything with its `set`; give it a short `socket_timeout`, requests wait for it."""

    def __init__(self, client: Any, *, prefix: str = "token_guard:used:", now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._prefix = prefix
        self._now = now

    def use(self, key: str, until: float) -> bool:
        milliseconds = max(1, int((until - self._now()) * 1000))
        try:
            return bool(self._client.set(self._prefix + key, b"1", nx=True, px=milliseconds))
        except Exception as error:  # the client is the app's: it raises what it likes
            raise StoreError(f"Redis does not answer ({type(error).__name__})") from error
