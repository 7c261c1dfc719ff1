"""A service's database beside requests that wait for so long and no longer."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from resource_server.orders import service as orders
from resource_server.orders.models import UsedOnce
from resource_server.platform import deadlines, schema
from resource_server.platform.deadlines import Passed
from resource_server.platform.pools import RemotePool
from resource_server.platform.store import Busy, Store, open_engines
from tests.support import databases

POOL, SOON, SLACK, PATIENCE = 2, 0.3, 4.0, 60.0
"""Connections a store may hold; how long an impatient caller waits, and how much later they may hear, which is less than they would wait in vain."""


@pytest.fixture(params=databases.KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """The orders' database, as two processes have it."""
    if request.param == "sqlite":
        with opened(f"sqlite:///{tmp_path / 'orders.sqlite3'}") as found:
            yield found
        return
    with databases.empty_postgres(request.getfixturevalue("postgres_server")) as url, opened(url) as found:
        yield found


@contextmanager
def opened(url: str) -> Iterator[tuple[Store, Store]]:
    both = [a_store(url) for _ in range(2)]
    schema.upgrade(both[0])
    yield both[0], both[1]
    for store in both:
        store.engine.dispose()


def a_store(url: str) -> Store:
    return orders.open_store(open_engines(Flask("tests"), {"orders": url}, pool_size=POOL)["orders"])


def use(tx: sa.Connection, name: str = "") -> None:
    tx.execute(sa.insert(UsedOnce).values(id=name or secrets.token_hex(32), until=0))


def used(store: Store) -> int:
    with store.read() as tx:
        count: int = tx.execute(sa.select(sa.func.count()).select_from(UsedOnce)).scalar_one()
        return count


def test_who_is_in_the_way_is_waited_for_no_longer_than_the_caller_waits(stores: tuple[Store, Store]) -> None:
    mine, other = stores
    name = secrets.token_hex(32)
    with other.change() as held:
        use(held, name)
        with deadlines.within(0.5):
            with pytest.raises((Busy, OperationalError)), mine.change() as tx:
                use(tx, name)
            assert deadlines.passed(), "and not before"
    assert used(mine) == 1
    with mine.change() as tx:
        use(tx)
    assert used(other) == 2, "the connection is as it was before"


def test_what_was_done_too_late_is_not_kept(stores: tuple[Store, Store]) -> None:
    mine, _ = stores
    with deadlines.within(0.2):
        with pytest.raises(Passed), mine.change() as tx:
            use(tx)
            while not deadlines.passed():
                time.sleep(0.01)
        with pytest.raises(Passed):
            used(mine)
        with pytest.raises(Passed), mine.change():
            pass
    assert used(mine) == 0


def test_in_time_everything_is_as_without_a_deadline(stores: tuple[Store, Store]) -> None:
    mine, other = stores
    with deadlines.within(60), mine.change() as tx:
        use(tx)
    with deadlines.within(60):
        assert used(other) == 1
        with other.snapshot() as tx:
            assert len(tx.execute(sa.select(UsedOnce.id)).all()) == 1


@contextmanager
def held(store: Store) -> Iterator[None]:
    """All connections of a store are in use."""
    with ExitStack() as stack:
        for _ in range(POOL):
            stack.enter_context(store.read())
        yield


@contextmanager
def soon() -> Iterator[None]:
    """What an impatient caller asks for here ends about when they leave."""
    began = time.monotonic()
    with deadlines.within(SOON):
        yield
        assert deadlines.passed(), "and not before"
    assert time.monotonic() - began < SOON + SLACK


def test_a_free_connection_is_waited_for_no_longer_than_the_caller_waits(stores: tuple[Store, Store]) -> None:
    mine, _ = stores
    with ThreadPoolExecutor() as pool:
        with held(mine):
            patient = pool.submit(used, mine)
            with soon(), pytest.raises((Passed, PoolTimeout)):
                used(mine)
            with soon(), pytest.raises((Passed, PoolTimeout)):
                mine.engine.raw_connection()
        assert patient.result(PATIENCE) == 0
    with deadlines.within(PATIENCE):
        assert used(mine) == 0, "no connection is lost"


@contextmanager
def mute() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"postgresql+psycopg://nobody:nothing@127.0.0.1:{listening.getsockname()[1]}/orders"


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_caller_waits() -> None:
    with mute() as url:
        store = a_store(url)
        for _ in range(POOL + 1):
            with soon(), pytest.raises(Passed):
                used(store)
        with pytest.raises(OperationalError):
            used(store)
        store.engine.dispose()


class Slow:
    """Connects when it may; a connection of its own, which can be closed."""

    def __init__(self) -> None:
        self.land, self.closed = threading.Event(), threading.Event()

    def connect(self, _record: Any) -> Slow:
        self.land.wait(PATIENCE)
        return self

    def close(self) -> None:
        self.closed.set()


def test_a_connection_that_comes_too_late_is_closed() -> None:
    slow = Slow()
    with soon(), pytest.raises(Passed):
        RemotePool(slow.connect, 1).connect()
    assert not slow.closed.is_set()
    slow.land.set()
    assert slow.closed.wait(PATIENCE)
