"""Tallies in Redis, for many nodes: one script for all keys of an answer, so it is atomic; when Redis is away nobody waits, and the log says so.

The scripts say what `idp.platform.throttle.Pace` says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import redis
import structlog

from idp.errors import TooManyRequests
from idp.platform.db import Waiting
from idp.platform.redis_client import connect
from idp.platform.throttle import Pace

_COMMON = """
local window, longest = tonumber(ARGV[1]), math.max(tonumber(ARGV[1]), tonumber(ARGV[2]))
local function load(key)
  local v = redis.call('HMGET', key, 'count', 'strikes', 'began_at', 'wait_until')
  return {count = tonumber(v[1] or 0), strikes = tonumber(v[2] or 0), began_at = tonumber(v[3] or 0), wait_until = tonumber(v[4] or 0)}
end
local function ends(t) return math.max(t.began_at + window, t.wait_until) end
local function forgets(t) return ends(t) + (t.strikes > 0 and longest or 0) end
local function allowed(most, strikes) return math.max(1, math.floor(most / 2 ^ strikes)) end
local function keep(key, t, now)
  redis.call('HSET', key, 'count', t.count, 'strikes', t.strikes, 'began_at', t.began_at, 'wait_until', t.wait_until)
  redis.call('EXPIRE', key, math.max(1, forgets(t) - now))
end
"""
_COUNT = (
    _COMMON
    + """
local now, wait, tallies = tonumber(ARGV[3]), 0, {}
for i, key in ipairs(KEYS) do
  tallies[i] = load(key)
  wait = math.max(wait, tallies[i].wait_until - now)
end
if wait > 0 then return {wait} end
local began = {0}
for i, key in ipairs(KEYS) do
  local t, most = tallies[i], tonumber(ARGV[3 + i])
  if now >= forgets(t) then t = {count = 0, strikes = 0, began_at = now, wait_until = 0}
  elseif now >= ends(t) then t = {count = 0, strikes = t.strikes, began_at = now, wait_until = 0} end
  t.count = t.count + 1
  if t.count >= allowed(most, t.strikes) then
    t.wait_until = now + math.min(window * 2 ^ math.min(t.strikes, 32), longest)
    t.strikes = t.strikes + 1
  end
  keep(key, t, now)
  began[i + 1] = t.began_at
end
return began
"""
)
_GIVE_BACK = (
    _COMMON
    + """
for i, key in ipairs(KEYS) do
  local t, most, began_at = load(key), tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  if t.began_at == began_at and t.count > 0 then
    t.count = t.count - 1
    if t.wait_until > 0 and t.count < allowed(most, t.strikes - 1) then
      t.strikes = t.strikes - 1
      t.wait_until = 0
    end
    keep(key, t, began_at)
  end
end
"""
)
log = structlog.get_logger("idp.throttle")


class RedisTallies:
    """The `Tallies` of `idp.platform.throttle` over one Redis."""

    def __init__(self, url: str, waiting: Waiting | None = None) -> None:
        self._redis = connect(url, waiting)
        self._count = self._redis.register_script(_COUNT)
        self._give_back = self._redis.register_script(_GIVE_BACK)

    def count(self, most: Mapping[str, int], pace: Pace, now: int) -> Mapping[str, int]:
        arguments: list[Any] = [pace.window, pace.longest, now, *most.values()]
        try:
            wait, *began = self._count(keys=[_name(key) for key in most], args=arguments)
        except redis.RedisError as error:
            _open(error)
            return dict.fromkeys(most, -1)
        if wait:
            raise TooManyRequests(int(wait))
        return dict(zip(most, map(int, began), strict=True))

    def give_back(
        self, most: Mapping[str, int], pace: Pace, began: Mapping[str, int], *, forget: Sequence[str] = ()
    ) -> None:
        pairs = [value for key, bound in most.items() for value in (bound, began[key])]
        try:
            if forget:
                self._redis.delete(*[_name(key) for key in forget])
            if most:
                self._give_back(keys=[_name(key) for key in most], args=[pace.window, pace.longest, *pairs])
        except redis.RedisError as error:
            _open(error)

    def forgetting(self, _keys: Collection[str]) -> None:
        return None


def _name(key: str) -> str:
    return f"idp:throttle:{key}"


def _open(error: redis.RedisError) -> None:
    log.warning("wrong answers are not counted: Redis is away", error=type(error).__name__)
