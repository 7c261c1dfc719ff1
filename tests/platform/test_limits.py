"""Limits: counted atomically in the database or in Redis, in windows that move, and never in clear."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import sqlalchemy as sa

from idp.errors import TooManyRequests
from idp.platform import limits as limit_store
from idp.platform import limits_redis
from idp.platform.db import Database
from idp.platform.limits import Counters, DatabaseCounters, Limits
from idp.platform.limits_redis import RedisCounters
from idp.platform.models import CounterRow
from idp.platform.secrets import MasterKey
from tests.support import databases
from tests.support.clocks import ManualClock
from tests.support.logs import recorded
from tests.support.ports import free_port
from tests.support.reused import empty_database

MASTER = MasterKey(b"m" * 32)
WINDOW = 60


@pytest.fixture(params=[*databases.KINDS, "redis"])
def counters(request: pytest.FixtureRequest) -> Iterator[Counters]:
    """Where counts are kept, one after the other."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        redis.Redis.from_url(url).flushdb()
        yield RedisCounters(url)
        return
    opened = databases.open_database(empty_database(request, request.param))
    yield DatabaseCounters(opened)
    opened.engine.dispose()


@pytest.fixture
def limits(counters: Counters, clock: ManualClock) -> Limits:
    return Limits(counters, MASTER, clock)


def let_through(limits: Limits, limit: int, key: str = "k") -> bool:
    try:
        limits.take("login", key, limit=limit, window=WINDOW)
    except TooManyRequests as error:
        assert 1 <= error.retry_after <= WINDOW
        assert error.headers == {"Retry-After": str(error.retry_after)}
        return False
    return True


def test_a_limit_lets_so_many_through_and_no_more(limits: Limits) -> None:
    assert [let_through(limits, 3) for _ in range(5)] == [True, True, True, False, False]


def test_names_and_keys_are_counted_apart(limits: Limits) -> None:
    assert let_through(limits, 1, "a")
    assert let_through(limits, 1, "b")
    limits.take("other", "a", limit=1, window=WINDOW)
    assert not let_through(limits, 1, "a")


def test_however_many_try_at_once_no_more_than_the_limit_get_through(limits: Limits) -> None:
    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(lambda _: let_through(limits, 7), range(60)))
    assert outcomes.count(True) == 7


def test_checking_counts_nothing(limits: Limits) -> None:
    for _ in range(5):
        limits.check("login", "k", limit=1)
    assert limits.hit("login", "k", window=WINDOW) == 1
    with pytest.raises(TooManyRequests):
        limits.check("login", "k", limit=1)
    limits.check("login", "k", limit=2)


# -- windows ----------------------------------------------------------------------------------------------------------


def test_the_window_ends_when_it_was_said_to_and_attempts_do_not_prolong_it(
    database: Database, clock: ManualClock
) -> None:
    limits = Limits(DatabaseCounters(database), MASTER, clock)
    assert let_through(limits, 1)
    clock.advance(WINDOW - 1)
    with pytest.raises(TooManyRequests) as raised:
        limits.take("login", "k", limit=1, window=WINDOW)
    assert raised.value.retry_after == 1
    clock.advance(1)
    limits.check("login", "k", limit=1)
    assert let_through(limits, 1)
    assert not let_through(limits, 1)


def test_the_window_ends_in_redis_too(redis_url: str, clock: ManualClock) -> None:
    counters, short = RedisCounters(redis_url), secrets.token_hex(8)
    for expected in (1, 2):
        assert counters.add(short, clock.now(), 1) == (expected, clock.now() + 1)
    deadline = time.monotonic() + 20
    while counters.peek(short, clock.now())[0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert counters.add(short, clock.now(), 1)[0] == 1


# -- at rest ----------------------------------------------------------------------------------------------------------


def test_names_and_addresses_are_not_stored_in_clear(database: Database, redis_url: str, clock: ManualClock) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    for counters in (DatabaseCounters(database), RedisCounters(redis_url)):
        Limits(counters, MASTER, clock).take("login", "alice@example.com", limit=1, window=WINDOW)
    with database.read() as tx:
        keys = [*tx.execute(sa.select(CounterRow.key)).scalars(), *map(str, redis.Redis.from_url(redis_url).keys())]
    assert len(keys) == 2
    assert not [key for key in keys if "alice" in key or "login" in key]


def test_counters_whose_window_is_over_are_removed(database: Database, clock: ManualClock) -> None:
    limits = Limits(DatabaseCounters(database), MASTER, clock)
    for key in "abc":
        limits.hit("login", key, window=WINDOW)

    def prune(limit: int) -> int:
        with database.write() as tx:
            return limit_store.prune(tx, clock.now(), limit)

    clock.advance(WINDOW - 1)
    assert prune(10) == 0
    clock.advance(1)
    assert [prune(2), prune(2)] == [2, 1]


def test_when_redis_is_away_limits_are_open_and_say_so(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    written = recorded(monkeypatch, limits_redis)
    limits = Limits(RedisCounters(f"redis://127.0.0.1:{free_port()}/0"), MASTER, clock)
    limits.take("login", "alice", limit=1, window=WINDOW)
    limits.take("login", "alice", limit=1, window=WINDOW)
    limits.check("login", "alice", limit=1)
    assert written.getvalue().count("Redis is away") == 3
    assert "alice" not in written.getvalue()
