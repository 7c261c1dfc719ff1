"""What may be used once: in memory, in a table, in Redis; one of many wins, nothing is forgotten early, and a store that is down refuses."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from token_guard import GuardError
from token_guard.once import MemoryOnce, OnceStore, StoreError
from token_guard.once_redis import RedisOnce
from token_guard.once_sql import SCHEMA, SqlOnce

from tests.guard.proofs import bound, guard, proof, request
from tests.support import databases
from tests.support.clocks import ManualClock

Open = Callable[[], OnceStore]
CROWD = 50


def sqlite_store(tmp_path: Path) -> Open:
    file = tmp_path / "used.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(SCHEMA)
    return lambda: SqlOnce(lambda: sqlite3.connect(file, timeout=30))


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[OnceStore, OnceStore]]:
    """The store as two nodes see it."""
    with contextlib.ExitStack() as stack:
        open_store: Open
        if request.param == "memory":
            one = MemoryOnce()
            open_store = lambda: one  # noqa: E731 - like its siblings
        elif request.param == "sqlite":
            open_store = sqlite_store(tmp_path)
        elif request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
            dsn = url.replace("+psycopg", "")
            with psycopg.connect(dsn) as connection:
                connection.execute(SCHEMA)
            open_store = lambda: SqlOnce(lambda: psycopg.connect(dsn), paramstyle="pyformat")  # noqa: E731
        else:
            url = request.getfixturevalue("redis_url")
            prefix = f"test:{tmp_path.name}:"
            open_store = lambda: RedisOnce(redis.Redis.from_url(url), prefix=prefix)  # noqa: E731
        yield open_store(), open_store()


def test_the_first_use_is_the_only_one_and_keys_are_apart(nodes: tuple[OnceStore, OnceStore]) -> None:
    one, other = nodes
    until = 4_000_000_000.0
    assert one.use("a", until)
    assert not other.use("a", until)
    assert not one.use("a", until)
    assert other.use("b", until)


def test_of_many_at_once_on_two_nodes_one_wins(nodes: tuple[OnceStore, OnceStore]) -> None:
    barrier = threading.Barrier(CROWD)

    def use(number: int) -> bool:
        barrier.wait(30)
        return nodes[number % 2].use("contested", 4_000_000_000.0)

    with ThreadPoolExecutor(CROWD) as pool:
        assert sum(pool.map(use, range(CROWD))) == 1


def test_fifty_replays_of_one_proof_at_two_nodes_make_one_success(nodes: tuple[OnceStore, OnceStore]) -> None:
    guards = [guard(once=store) for store in nodes]
    presented = bound()
    once = proof(presented)
    barrier = threading.Barrier(CROWD)

    def call(number: int) -> str:
        barrier.wait(30)
        try:
            guards[number % 2].admit(request(presented, once))
        except GuardError as error:
            return error.code
        return "passed"

    with ThreadPoolExecutor(CROWD) as pool:
        results = list(pool.map(call, range(CROWD)))
    assert results.count("passed") == 1
    assert results.count("invalid_dpop_proof") == CROWD - 1


def test_memory_forgets_what_is_over_and_refuses_rather_than_forget_early() -> None:
    clock = ManualClock()
    store = MemoryOnce(max_kept=2, now=clock.precise)
    assert store.use("a", clock.precise() + 10)
    assert store.use("b", clock.precise() + 60)
    with pytest.raises(StoreError):
        store.use("c", clock.precise() + 60)
    clock.advance(11)
    assert store.use("c", clock.precise() + 60)
    assert not store.use("b", clock.precise() + 60)


def test_a_table_is_pruned(tmp_path: Path) -> None:
    sqlite_store(tmp_path)
    clock, file = ManualClock(), tmp_path / "used.sqlite3"
    store = SqlOnce(lambda: sqlite3.connect(file), now=clock.precise)
    assert store.use("old", clock.precise() + 5)
    clock.advance(120)
    assert store.use("new", clock.precise() + 5)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT id FROM token_guard_used").fetchall() == [("new",)]


def broken(*_arguments: Any, **_options: Any) -> Any:
    raise ConnectionError("down")


DOWN: dict[str, OnceStore] = {
    "no database": SqlOnce(broken),
    "no table": SqlOnce(lambda: sqlite3.connect(":memory:")),
    "no Redis": RedisOnce(redis.Redis(port=9, socket_timeout=1)),
    "full": MemoryOnce(max_kept=0),
}


@pytest.mark.parametrize("store", DOWN.values(), ids=list(DOWN))
def test_a_store_that_is_down_lets_nothing_through(store: OnceStore) -> None:
    presented = bound()
    with pytest.raises(GuardError) as caught:
        guard(once=store).admit(request(presented, proof(presented)))
    assert (caught.value.status, caught.value.check) == (503, "store_away")
    assert set(caught.value.headers()) == {"Retry-After"}


@pytest.mark.parametrize("wrong", [{"paramstyle": "dollar"}, {"table": "a; DROP TABLE b"}, {"table": ""}])
def test_a_table_has_a_plain_name(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SqlOnce(broken, **wrong)
