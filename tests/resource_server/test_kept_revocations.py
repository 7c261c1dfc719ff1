"""What a service was told of revocations lies in its store until lists and keys have overtaken it; processes follow it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from resource_server.api.revocations import KEEP_KEY, KEEP_LIST, Revocations
from resource_server.orders import service as orders
from resource_server.orders.models import Revocation, RevocationCount
from resource_server.platform import schema
from resource_server.platform.store import open_engines
from tests.support import databases
from tests.support.clocks import ManualClock

ISSUER = "https://issuer.test"
URI = f"{ISSUER}/oauth/status/1"
KEY = {"urn:idp:event:status.key_revoked": {"status": {"kid": "k1"}}}
PERSON = {"urn:idp:event:user.changed": {"user": {"sub": "s1", "version": 1}}}
WRITERS, EACH, PATIENCE = 4, 15, 60


class Heard:
    """In place of a guard: what it was to heed, in order."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.told_at: list[float] = []

    def heed(self, claims: dict[str, Any], told_at: float) -> None:
        assert claims["iss"] == ISSUER
        self.events.append(claims["events"])
        self.told_at.append(told_at)


class Node:
    """A process of the orders service, as far as this goes."""

    def __init__(self, url: str, clock: ManualClock) -> None:
        self.store = orders.open_store(open_engines(Flask("tests"), {"orders": url}, pool_size=WRITERS)["orders"])
        self.heard = Heard()
        guard: Any = self.heard
        self.revocations = Revocations(self.store, Revocation, RevocationCount, guard, now=clock.precise)

    def told(self, events: dict[str, Any], jti: str = "1") -> None:
        self.revocations.keep({"iss": ISSUER, "jti": jti, "events": events})

    def hears(self) -> list[dict[str, Any]]:
        """What is new to it."""
        before = len(self.heard.events)
        self.revocations.follow()
        return self.heard.events[before:]


def of_list(index: int) -> dict[str, Any]:
    return {"urn:idp:event:status.changed": {"status": {"uri": URI, "idx": [index]}}}


Start = Callable[[], Node]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=databases.KINDS)
def start(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Start]:
    """Starts processes on one store."""
    if request.param == "sqlite":
        with nodes(f"sqlite:///{tmp_path / 'orders.sqlite3'}", clock) as found:
            yield found
        return
    with databases.empty_postgres(request.getfixturevalue("postgres_server")) as url, nodes(url, clock) as found:
        yield found


@contextmanager
def nodes(url: str, clock: ManualClock) -> Iterator[Start]:
    started: list[Node] = []

    def start() -> Node:
        started.append(Node(url, clock))
        return started[-1]

    schema.upgrade(start().store)
    yield start
    for node in started:
        node.store.engine.dispose()


def test_each_process_hears_everything_once_and_in_order(start: Start) -> None:
    one, other = start(), start()
    assert not one.revocations.known
    assert one.hears() == []
    assert one.revocations.known, "that there is nothing"
    for number in range(3):
        one.told(of_list(number), str(number))
    assert one.hears() == other.hears() == [of_list(0), of_list(1), of_list(2)]
    other.told(KEY)
    assert one.hears() == other.hears() == [KEY]
    assert one.hears() == other.hears() == []
    assert start().hears() == [of_list(0), of_list(1), of_list(2), KEY]


def test_only_what_is_of_revocations_is_kept_and_once(start: Start) -> None:
    one, other = start(), start()
    one.told(PERSON)
    one.told({**PERSON, **KEY}, "2")
    for teller in (one, other, one):
        teller.told(of_list(5), "3")
    one.told(of_list(5), "4")
    assert other.hears() == [KEY, of_list(5), of_list(5)]


def test_nothing_is_missed_that_several_are_told_at_once(start: Start) -> None:
    """Whoever reads while others write sees no later one before an earlier one."""
    follower, tellers = start(), [start(), start()]

    def tell(writer: int) -> None:
        for number in range(EACH):
            tellers[writer % 2].told(of_list(writer * EACH + number), f"{writer}.{number}")

    with ThreadPoolExecutor(WRITERS) as pool:
        telling = [pool.submit(tell, writer) for writer in range(WRITERS)]
        while not all(one.done() for one in telling):
            follower.hears()
        for one in telling:
            one.result(PATIENCE)
    follower.hears()
    heard = [event["urn:idp:event:status.changed"]["status"]["idx"][0] for event in follower.heard.events]
    assert sorted(heard) == list(range(WRITERS * EACH))


def test_it_is_kept_until_lists_and_keys_have_overtaken_it(start: Start, clock: ManualClock) -> None:
    teller = start()
    began = clock.precise()
    teller.told(of_list(5))
    teller.told(KEY)
    clock.advance(int(KEEP_LIST))
    teller.revocations.prune()
    later = start()
    assert later.hears() == [of_list(5), KEY]
    assert all(began <= told_at < began + 60 for told_at in later.heard.told_at), "when it was told, not heard"
    clock.advance(1)
    teller.revocations.prune()
    assert start().hears() == [KEY]
    clock.advance(int(KEEP_KEY - KEEP_LIST))
    teller.revocations.prune()
    assert start().hears() == []
    teller.told(of_list(6))
    assert later.hears() == [of_list(6)], "numbers go on where nothing is left"


def test_a_store_that_was_set_back_is_read_anew(start: Start) -> None:
    node = start()
    for number in range(3):
        node.told(of_list(number), str(number))
    node.hears()
    with node.store.change() as tx:
        tx.execute(sa.delete(Revocation).where(Revocation.number > 1))
        tx.execute(sa.update(RevocationCount).values(number=1))
    node.told(KEY)
    assert node.hears() == [of_list(0), KEY]
