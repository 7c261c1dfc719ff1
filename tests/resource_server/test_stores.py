"""A service's database beside requests that wait for so long and no longer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError

from resource_server.orders import service as orders
from resource_server.orders.models import UsedOnce
from resource_server.platform import deadlines
from resource_server.platform.deadlines import Passed
from resource_server.platform.store import Busy, Store, open_engines
from tests.support import databases


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
    both = [orders.open_store(open_engines(Flask("tests"), {"orders": url}, pool_size=2)["orders"]) for _ in range(2)]
    both[0].upgrade()
    yield both[0], both[1]
    for store in both:
        store.engine.dispose()


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
