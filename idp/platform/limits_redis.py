"""Counters in Redis, for many nodes: one script a count, so it is atomic; when Redis is away, limits fail open and say so."""

from __future__ import annotations

import redis
import structlog

from idp.platform.db import Waiting
from idp.platform.redis_client import connect

_ADD = """
local count = redis.call('INCR', KEYS[1])
local left = redis.call('TTL', KEYS[1])
if left < 0 then redis.call('EXPIRE', KEYS[1], ARGV[1]) left = tonumber(ARGV[1]) end
return {count, left}
"""
log = structlog.get_logger("idp.limits")


class RedisCounters:
    """The `Counters` of `idp.platform.limits` over one Redis."""

    def __init__(self, url: str, waiting: Waiting | None = None) -> None:
        self._redis = connect(url, waiting)
        self._script = self._redis.register_script(_ADD)

    def add(self, key: str, now: int, window: int) -> tuple[int, int]:
        try:
            count, left = self._script(keys=[f"idp:limit:{key}"], args=[window])
        except redis.RedisError as error:
            return self._open(error)
        return int(count), now + int(left)

    def peek(self, key: str, now: int) -> tuple[int, int]:
        try:
            count = self._redis.get(f"idp:limit:{key}")
            left = self._redis.ttl(f"idp:limit:{key}")
        except redis.RedisError as error:
            return self._open(error)
        return (int(count), now + int(left)) if count is not None else (0, 0)

    @staticmethod
    def _open(error: redis.RedisError) -> tuple[int, int]:
        log.warning("limits are not counted: Redis is away", error=type(error).__name__)
        return 0, 0
