"""Generations: a number that grows in commit order, and watchers that call back for what changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import sqlalchemy as sa

from idp.errors import Unavailable
from idp.platform.db import Database
from idp.platform.generations import Snapshots, Watcher, bump, current


def bumped(database: Database, name: str) -> int:
    with database.write() as tx:
        return bump(tx, name)


def now(database: Database, name: str) -> int:
    with database.read() as tx:
        return current(tx, name)


def test_a_generation_starts_at_nothing_and_grows_by_one(database: Database) -> None:
    assert now(database, "keys") == 0
    assert [bumped(database, "keys") for _ in range(3)] == [1, 2, 3]
    assert (now(database, "keys"), now(database, "clients")) == (3, 0)


def test_what_is_rolled_back_is_no_generation(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as tx:
        bump(tx, "keys")
        raise RuntimeError
    assert now(database, "keys") == 0


def test_numbers_are_given_out_once_however_many_ask(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: bumped(database, "keys"), range(40)))
    assert sorted(numbers) == list(range(1, 41))


def test_a_watcher_calls_back_for_what_changed_and_only_for_that(database: Database) -> None:
    calls: list[str] = []
    watcher = Watcher(database, {name: lambda name=name: calls.append(name) for name in ("keys", "clients")})
    watcher.poll()
    assert calls == [], "nothing ever changed"
    bumped(database, "keys")
    bumped(database, "keys")
    bumped(database, "something else")
    watcher.poll()
    watcher.poll()
    assert calls == ["keys"]
    bumped(database, "clients")
    watcher.poll()
    assert calls == ["keys", "clients"]


def test_a_new_watcher_takes_everything_up_once(database: Database) -> None:
    bumped(database, "keys")
    calls: list[str] = []
    watcher = Watcher(database, {"keys": lambda: calls.append("keys")})
    watcher.poll()
    watcher.poll()
    assert calls == ["keys"]


@pytest.mark.parametrize("broken", ["a", "b", "c"])
def test_a_follower_that_fails_is_called_again_and_keeps_nobody_back(database: Database, broken: str) -> None:
    calls: list[str] = []

    def follow(name: str) -> None:
        calls.append(name)
        if name == broken and calls.count(name) < 3:
            raise Unavailable("away")

    watcher = Watcher(database, {name: lambda name=name: follow(name) for name in "abc"})
    for name in "abc":
        bumped(database, name)
    for _ in range(2):
        with pytest.raises(Unavailable):
            watcher.poll()
        assert set(calls) == set("abc"), "in the same round"
    watcher.poll()
    watcher.poll()
    assert sorted(calls) == sorted(["a", "b", "c", broken, broken])


def test_what_a_snapshot_lacks_is_looked_for_in_a_new_one_when_something_changed(database: Database) -> None:
    known = {"a": 1}
    snapshots = Snapshots(database, "keys", lambda _tx: dict(known), {})
    assert snapshots.find(lambda value: value.get("a")) is None, "nothing was said of a change"
    bumped(database, "keys")
    assert snapshots.find(lambda value: value.get("a")) == 1
    known["b"] = 2
    assert snapshots.find(lambda value: value.get("b")) is None
    assert snapshots.latest == {"a": 1}
    assert snapshots.renew() == snapshots.latest == known


def test_a_slow_reader_does_not_put_back_what_was_there_before(database: Database) -> None:
    """The watcher reads, is held up, and a request that misses something takes a newer snapshot meanwhile."""
    known: dict[str, int] = {}
    has_read, may_go_on = Event(), Event()

    def read(_tx: sa.Connection) -> dict[str, int]:
        found = dict(known)
        if not found:
            has_read.set()
            assert may_go_on.wait(30)
        return found

    snapshots = Snapshots(database, "keys", read, {})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(snapshots.renew)
        assert has_read.wait(30)
        known["a"] = 1
        bumped(database, "keys")
        assert snapshots.find(lambda value: value.get("a")) == 1
        may_go_on.set()
        assert slow.result(30) == {}
    assert snapshots.latest == {"a": 1}
