"""What is kept of an Idempotency-Key, for work of one transaction and of several steps, on both databases."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from resource_server.api.idempotency import KEEP, LEASE, Answer, Attempt, KeptAnswers, Use
from resource_server.api.problems import Problem
from resource_server.orders import service as orders
from resource_server.orders.models import KeptAnswer
from resource_server.platform.secret import Secret
from resource_server.platform.store import Store, open_engines
from tests.support import databases

ANSWER = Answer(201, {"id": "ord_1", "email": "ada@example.com"}, {"Location": "/v2/orders/ord_1"})
USE = Use("scope", "print")


class Hands:
    """A clock that the test moves."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=databases.KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'kept.sqlite3'}"
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        opened = orders.open_store(open_engines(Flask("tests"), {"orders": url}, pool_size=30)["orders"])
        opened.upgrade()
        yield opened
        opened.engine.dispose()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def kept(store: Store, clock: Hands) -> KeptAnswers:
    return KeptAnswers(store, KeptAnswer, Secret("s" * 32), now=clock)


def refused(kept: KeptAnswers, use: Use) -> Problem:
    with pytest.raises(Problem) as raised:
        kept.begin(use)
    return raised.value


def test_the_answer_is_kept_with_what_it_tells_of(store: Store, kept: KeptAnswers) -> None:
    with pytest.raises(ZeroDivisionError), store.change() as tx:
        assert kept.first(tx, USE) is None
        kept.keep(tx, USE, ANSWER)
        raise ZeroDivisionError
    with store.change() as tx:
        assert kept.first(tx, USE) is None, "nothing is kept of what was rolled back"
        kept.keep(tx, USE, ANSWER)
    with store.change() as tx:
        assert kept.first(tx, USE) == ANSWER


def test_another_request_with_the_same_key_is_refused(store: Store, kept: KeptAnswers) -> None:
    with store.change() as tx:
        kept.first(tx, USE)
        kept.keep(tx, USE, ANSWER)
    assert refused(kept, dataclasses.replace(USE, fingerprint="other")).code == "idempotency_key_reused"


def test_of_twenty_twins_one_does_the_work(store: Store, kept: KeptAnswers) -> None:
    def twin(_: int) -> bool:
        with store.change() as tx:
            first = kept.first(tx, USE) is None
            if first:
                kept.keep(tx, USE, ANSWER)
            return first

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(twin, range(20))) == 1


def test_a_twin_of_running_work_waits_and_whoever_comes_after_the_lease_goes_on(
    store: Store, kept: KeptAnswers, clock: Hands
) -> None:
    first = kept.begin(USE)
    assert isinstance(first, Attempt)
    running = refused(kept, USE)
    assert (running.status, running.code, running.headers["Retry-After"]) == (409, "request_in_progress", str(LEASE))
    clock.now += 10
    with store.change() as tx:
        first = kept.reached(tx, first, "charged")
    clock.now += LEASE - 1
    assert refused(kept, USE).headers["Retry-After"] == "1"
    clock.now += 1
    second = kept.begin(USE)
    assert isinstance(second, Attempt)
    assert second.point == "charged"
    with pytest.raises(Problem), store.change() as tx:
        kept.reached(tx, first, "late")
    with store.change() as tx:
        kept.keep(tx, USE, ANSWER)
    assert kept.begin(USE) == ANSWER


def test_of_many_who_take_over_one_does(kept: KeptAnswers, clock: Hands) -> None:
    kept.begin(USE)
    clock.now += LEASE

    def take(_: int) -> bool:
        try:
            return isinstance(kept.begin(USE), Attempt)
        except Problem:
            return False

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(take, range(10))) == 1


def test_refused_work_gives_its_key_back(kept: KeptAnswers) -> None:
    first = kept.begin(USE)
    assert isinstance(first, Attempt)
    kept.release(first)
    assert isinstance(kept.begin(dataclasses.replace(USE, fingerprint="other")), Attempt)


def test_what_is_kept_cannot_be_read_in_the_database(store: Store, kept: KeptAnswers) -> None:
    with store.change() as tx:
        kept.first(tx, USE)
        kept.keep(tx, USE, ANSWER)
    with store.read() as tx:
        row = bytes(tx.execute(sa.select(KeptAnswer.answer)).scalar_one() or b"")
    assert row
    assert b"ada" not in row
    other = KeptAnswers(store, KeptAnswer, Secret("o" * 32))
    assert refused(other, USE).code == "idempotency_key_reused"


def test_after_thirty_days_a_key_is_forgotten(store: Store, kept: KeptAnswers, clock: Hands) -> None:
    kept.begin(USE)
    clock.now += KEEP
    assert kept.prune() == 0
    clock.now += 1
    assert kept.prune() == 1
