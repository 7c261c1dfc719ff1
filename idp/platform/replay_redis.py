"""Burned keys in Redis, for many nodes: one `SET NX` a key. When Redis is away nothing can be burned, and nothing is let through.

Redis must not evict (`maxmemory-policy noeviction`): a key that goes early could be burned again.
"""

from __future__ import annotations

import redis

from idp.errors import Unavailable
from idp.platform.db import Waiting
from idp.platform.redis_client import connect

_KEEPS = "noeviction"


class RedisReplays:
    """The `Replays` of `idp.platform.replay` over one Redis."""

    def __init__(self, url: str, waiting: Waiting | None = None) -> None:
        self._redis = connect(url, waiting, decode_responses=True)

    def burn(self, key: str, *, now: int, until: int) -> bool:
        try:
            return bool(self._redis.set(f"idp:replay:{key}", b"", nx=True, ex=max(1, until - now)))
        except redis.RedisError as error:
            raise Unavailable(f"replays: Redis is away ({type(error).__name__})") from error

    def fault(self) -> str | None:
        try:
            policy = self._redis.config_get("maxmemory-policy").get("maxmemory-policy", _KEEPS)
        except redis.ResponseError:
            return None  # it does not tell strangers
        except redis.RedisError:
            return "Redis is away, so that no DPoP proof is accepted"
        return None if policy == _KEEPS else f"maxmemory-policy is {policy}: it may forget used proofs; set {_KEEPS}"
