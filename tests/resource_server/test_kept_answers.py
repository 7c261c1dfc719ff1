"""What is kept of an Idempotency-Key, on both databases."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa
from flask import Flask

from resource_server.api.idempotency import KEEP, Answer, KeptAnswers, Use
from resource_server.api.problems import Problem
from resource_server.orders import service as orders
from resource_server.orders.models import KeptAnswer
from resource_server.platform import schema
from resource_server.platform.secret import Secret
from resource_server.platform.store import Busy, Store, open_engines
from tests.support import databases

ANSWER = Answer(201, {"id": "ord_1", "email": "ada@example.com"}, {"Location": "/v2/orders/ord_1"})
USE = Use("scope", "print")
DEADLINE = 30


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
        schema.upgrade(opened)
        yield opened
        opened.engine.dispose()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def kept(store: Store, clock: Hands) -> KeptAnswers:
    return KeptAnswers(store, KeptAnswer, Secret("s" * 32), now=clock)


def refused(store: Store, kept: KeptAnswers, use: Use) -> Problem:
    with pytest.raises(Problem) as raised, store.change() as tx:
        kept.first(tx, use)
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
    assert refused(store, kept, dataclasses.replace(USE, fingerprint="other")).code == "idempotency_key_reused"


def test_of_twenty_twins_one_does_the_work_and_all_others_get_its_answer(store: Store, kept: KeptAnswers) -> None:
    def twin(_: int) -> Answer | None:
        with store.change() as tx:
            first = kept.first(tx, USE)
            if first is None:
                kept.keep(tx, USE, ANSWER)
            return first

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(twin, range(20)))
    assert (answers.count(None), answers.count(ANSWER)) == (1, 19)


def test_a_twin_does_the_work_when_the_first_gives_up(store: Store, kept: KeptAnswers) -> None:
    begun = Event()

    def twin() -> Answer | None:
        begun.wait(DEADLINE)
        with store.change() as tx:
            return kept.first(tx, dataclasses.replace(USE, fingerprint="other"))

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(twin)
        with pytest.raises(ZeroDivisionError), store.change() as tx:
            assert kept.first(tx, USE) is None
            begun.set()
            raise ZeroDivisionError
        assert second.result(DEADLINE) is None


def test_a_twin_that_waited_long_is_told_to_come_back(store: Store, kept: KeptAnswers) -> None:
    with store.change() as tx:
        assert kept.first(tx, USE) is None
        if tx.dialect.name == "sqlite":  # one writer, whatever it writes
            with pytest.raises(Busy), store.change():
                pass
        else:
            found = refused(store, kept, USE)
            assert (found.status, found.code, found.headers["Retry-After"]) == (409, "request_in_progress", "1")
        kept.keep(tx, USE, ANSWER)
    with store.change() as tx:
        assert kept.first(tx, USE) == ANSWER


def test_nodes_of_before_and_of_now_know_each_others_answers(store: Store, kept: KeptAnswers) -> None:
    """What a node of before does, which has leases, with the schema of now (decision 57)."""
    before, old = sa.Table("kept_answers", sa.MetaData(), autoload_with=store.engine, schema=schema_of(store)), "old"
    with store.change() as tx:
        lease = {"state": "running", "lease_until": 1_000_030, "point": ""}
        tx.execute(sa.insert(before).values(scope=old, fingerprint="print", created_at=1_000_000, **lease))
        sealed = kept._sealed(Use(old, "print"), ANSWER)
        tx.execute(sa.update(before).where(before.c.scope == old).values(state="finished", answer=sealed))
    with store.change() as tx:
        assert kept.first(tx, Use(old, "print")) == ANSWER
        assert kept.first(tx, USE) is None
        kept.keep(tx, USE, ANSWER)
    with store.read() as tx:
        assert tx.execute(sa.select(before.c.state).where(before.c.scope == USE.scope)).scalar_one() == "finished"


def schema_of(store: Store) -> str | None:
    """Where the tables lie."""
    return None if store.engine.dialect.name == "sqlite" else str(store.engine.get_execution_options()["rs_schema"])


def test_what_is_kept_cannot_be_read_in_the_database(store: Store, kept: KeptAnswers) -> None:
    with store.change() as tx:
        kept.first(tx, USE)
        kept.keep(tx, USE, ANSWER)
    with store.read() as tx:
        row = bytes(tx.execute(sa.select(KeptAnswer.answer)).scalar_one() or b"")
    assert row
    assert b"ada" not in row
    other = KeptAnswers(store, KeptAnswer, Secret("o" * 32))
    assert refused(store, other, USE).code == "idempotency_key_reused"


def test_after_thirty_days_a_key_is_forgotten(store: Store, kept: KeptAnswers, clock: Hands) -> None:
    with store.change() as tx:
        kept.first(tx, USE)
        kept.keep(tx, USE, ANSWER)
    clock.now += KEEP
    assert kept.prune() == 0
    clock.now += 1
    assert kept.prune() == 1


def test_however_many_are_old_all_are_forgotten(store: Store, kept: KeptAnswers, clock: Hands) -> None:
    """Else a service that takes more of them than it forgets fills its database."""
    many = 1200
    with store.change() as tx:
        for number in range(many):
            kept.first(tx, dataclasses.replace(USE, scope=f"scope {number}"))
    clock.now += KEEP + 1
    assert kept.prune() == many
    with store.read() as tx:
        assert not tx.execute(sa.select(sa.func.count()).select_from(KeptAnswer)).scalar_one()
