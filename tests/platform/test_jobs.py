"""Jobs: done once whatever the number of nodes, tried again with growing delay, buried when they keep failing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
import sqlalchemy as sa

from idp.errors import Unavailable
from idp.platform import jobs as job_store
from idp.platform.db import AnyRow, Database
from idp.platform.jobs import LEASE_SECONDS, MAX_ATTEMPTS, Jobs, Loop
from idp.platform.models import JobRow
from tests.support.clocks import ManualClock
from tests.support.logs import recorded

DAY = 86400


def node(database: Database, clock: ManualClock, done: list[Any] | None = None) -> Jobs:
    """A runner that writes down what it did; `fail` fails."""
    jobs = Jobs(database, clock)
    log = done if done is not None else []
    jobs.register("note", lambda payload: log.append(payload["n"]))
    jobs.register("fail", _fail)
    return jobs


def _fail(_payload: Mapping[str, Any]) -> None:
    raise RuntimeError("the reason, with a secret in it")


def enqueue(database: Database, jobs: Jobs, kind: str = "note", **options: Any) -> bool:
    with database.write() as tx:
        return jobs.enqueue(tx, kind, {"n": 1}, **options)


def rows(database: Database) -> list[AnyRow]:
    with database.read() as tx:
        return list(tx.execute(sa.select(JobRow.__table__).order_by(JobRow.run_at)).all())


def test_a_job_runs_once_and_is_done(database: Database, clock: ManualClock) -> None:
    done: list[int] = []
    jobs = node(database, clock, done)
    enqueue(database, jobs)
    assert [jobs.run_due(), jobs.run_due()] == [1, 0]
    assert done == [1]
    assert [(row.state, row.attempts, row.finished_at) for row in rows(database)] == [("done", 1, clock.now())]


def test_a_job_commits_with_the_change_that_asks_for_it(database: Database, clock: ManualClock) -> None:
    jobs = node(database, clock)
    with pytest.raises(RuntimeError), database.write() as tx:
        jobs.enqueue(tx, "note", {"n": 1})
        raise RuntimeError
    assert jobs.run_due() == 0


def test_a_job_waits_for_its_time(database: Database, clock: ManualClock) -> None:
    jobs = node(database, clock)
    enqueue(database, jobs, run_at=clock.precise() + 10)
    clock.advance(9.9)
    assert jobs.run_due() == 0
    clock.advance(0.1)
    assert jobs.run_due() == 1


def test_due_jobs_run_oldest_first_up_to_the_limit(database: Database, clock: ManualClock) -> None:
    done: list[int] = []
    jobs = node(database, clock, done)
    with database.write() as tx:
        for number in (3, 1, 2):
            jobs.enqueue(tx, "note", {"n": number}, run_at=clock.precise() - 10 + number)
    assert jobs.run_due(2) == 2
    assert done == [1, 2]


def test_a_unique_key_is_taken_once(database: Database, clock: ManualClock) -> None:
    jobs = node(database, clock)
    assert [enqueue(database, jobs, unique_key="k"), enqueue(database, jobs, unique_key="k")] == [True, False]
    jobs.run_due()
    assert not enqueue(database, jobs, unique_key="k")


def test_a_kind_nobody_here_knows_is_left_to_others(database: Database, clock: ManualClock) -> None:
    other = Jobs(database, clock)
    other.register("theirs", lambda _payload: None)
    enqueue(database, other, "theirs")
    assert node(database, clock).run_due() == 0
    assert other.run_due() == 1


def test_many_runners_at_once_do_each_job_once(database: Database, clock: ManualClock) -> None:
    done: list[int] = []
    nodes = [node(database, clock, done) for _ in range(6)]
    with database.write() as tx:
        for number in range(30):
            nodes[0].enqueue(tx, "note", {"n": number})
    together = Barrier(len(nodes))

    def run(jobs: Jobs) -> int:
        together.wait()
        ran = 0
        while batch := jobs.run_due():
            ran += batch
        return ran

    with ThreadPoolExecutor(len(nodes)) as pool:
        counts = list(pool.map(run, nodes))
    assert Counter(done) == Counter(range(30))
    assert sum(counts) == 30


# -- failure ----------------------------------------------------------------------------------------------------------


def test_a_failed_job_is_tried_again_later_and_later_and_then_buried(database: Database, clock: ManualClock) -> None:
    jobs = node(database, clock)
    enqueue(database, jobs, "fail")
    delays = []
    for attempt in range(1, MAX_ATTEMPTS):
        assert jobs.run_due() == 1
        assert jobs.run_due() == 0, "not before its time"
        (row,) = rows(database)
        assert (row.state, row.attempts) == ("waiting", attempt)
        delays.append(row.run_at - clock.precise())
        clock.advance(delays[-1])
    assert all(0.8 * 2**n <= delay <= 1.2 * 2**n for n, delay in enumerate(delays, 1)), delays
    jobs.run_due()
    clock.advance(30 * DAY)
    assert jobs.run_due() == 0
    (row,) = rows(database)
    assert (row.state, row.attempts, row.last_error) == ("dead", MAX_ATTEMPTS, "RuntimeError")


def test_a_failure_tells_its_kind_and_not_its_words(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = recorded(monkeypatch, job_store)
    jobs = node(database, clock)
    enqueue(database, jobs, "fail")
    jobs.run_due()
    assert "RuntimeError" in written.getvalue()
    assert "secret" not in written.getvalue() + str(rows(database))


def test_one_failing_job_does_not_stop_the_others(database: Database, clock: ManualClock) -> None:
    done: list[int] = []
    jobs = node(database, clock, done)
    for kind in ("fail", "note", "fail", "note"):
        enqueue(database, jobs, kind)
    assert jobs.run_due() == 4
    assert done == [1, 1]


class Dies(BaseException):
    """What a runner that is killed looks like from inside."""


def dying(database: Database, clock: ManualClock) -> Jobs:
    jobs = Jobs(database, clock)

    def die(_payload: Mapping[str, Any]) -> None:
        raise Dies

    jobs.register("note", die)
    return jobs


def test_the_job_of_a_dead_node_is_taken_over_when_its_lease_runs_out(database: Database, clock: ManualClock) -> None:
    done: list[int] = []
    other = node(database, clock, done)
    enqueue(database, other)
    with pytest.raises(Dies):
        dying(database, clock).run_due()
    clock.advance(LEASE_SECONDS - 1)
    assert other.run_due() == 0
    clock.advance(1)
    assert other.run_due() == 1
    assert done == [1]


def test_a_job_that_kills_whoever_runs_it_is_buried_too(database: Database, clock: ManualClock) -> None:
    enqueue(database, node(database, clock))
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(Dies):
            dying(database, clock).run_due()
        clock.advance(LEASE_SECONDS)
    dying(database, clock).run_due()
    (row,) = rows(database)
    assert row.state == "dead"


def test_who_lost_the_lease_does_not_overwrite_who_has_it(database: Database, clock: ManualClock) -> None:
    done: list[int] = []
    other = node(database, clock, done)
    slow = Jobs(database, clock)

    def too_slow(_payload: Mapping[str, Any]) -> None:
        clock.advance(LEASE_SECONDS)
        other.run_due()
        raise RuntimeError

    slow.register("note", too_slow)
    enqueue(database, other)
    slow.run_due(1)
    assert done == [1]
    assert [row.state for row in rows(database)] == ["done"]


# -- recurring --------------------------------------------------------------------------------------------------------


def test_a_recurring_job_runs_once_a_period_for_all_nodes(database: Database, clock: ManualClock) -> None:
    done: list[int] = []
    nodes = []
    for _ in range(5):
        jobs = Jobs(database, clock)
        jobs.register("prune", lambda _payload: done.append(1), every=3600)
        nodes.append(jobs)
    clock.advance(3600 - clock.now() % 3600)
    for period in range(1, 4):
        with ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(lambda jobs: [jobs.run_due() for _ in range(2)], nodes))
        assert len(done) == period
        clock.advance(3600)


def test_done_jobs_are_forgotten_after_a_day_and_dead_ones_kept(database: Database, clock: ManualClock) -> None:
    jobs = node(database, clock)
    enqueue(database, jobs)
    jobs.run_due()
    enqueue(database, jobs, "fail")
    for _ in range(MAX_ATTEMPTS):
        jobs.run_due()
        clock.advance(3600)
    enqueue(database, jobs, run_at=clock.precise() + 90 * DAY)

    def prune() -> int:
        with database.write() as tx:
            return job_store.prune(tx, clock.now(), 100)

    assert prune() == 0
    clock.advance(DAY)
    assert prune() == 1
    assert sorted(row.state for row in rows(database)) == ["dead", "waiting"]


# -- the loop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("x"), Unavailable("the database is away")])
def test_a_loop_goes_on_after_a_failure_and_stops_when_told(error: Exception) -> None:
    calls: list[int] = []
    enough = Event()

    def work() -> None:
        calls.append(1)
        if len(calls) >= 3:
            enough.set()
        raise error

    with Loop("the-loop-under-test", work, seconds=0.001):
        assert enough.wait(20)
    assert "the-loop-under-test" not in [thread.name for thread in enumerate_threads()]
