"""Jobs: once, in order, again after a failure, somebody else's after a death, buried in the end; over each transport."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from resource_server.payments.models import EventRow, InboxRow, JobRow
from resource_server.platform.ids import new_id
from resource_server.platform.store import Store
from resource_server.work import inbox
from resource_server.work.inbox import Verdict
from resource_server.work.jobs import Jobs, LeaseLost
from resource_server.work.kinds import BackOff, Effect, Job, Kind, Ladder, Later
from resource_server.work.runner import Runner
from resource_server.work.tables import PositionColumns
from resource_server.work.transports import open_transport
from resource_server.work.worker import Worker
from tests.payments.paying import eventually


class Base(DeclarativeBase):
    """A service that follows another one's aggregates."""


class Position(PositionColumns, Base):
    """How far it has come."""


QUICK = BackOff(first=0.01, longest=0.05, tries=3)


def jobs_of(store: Store, lease: float = 2.0, **options: Any) -> Jobs:
    return Jobs(store, JobRow, InboxRow, lease=lease, **options)


def enqueue(jobs: Jobs, kind: str, count: int = 1, **options: Any) -> list[str]:
    with jobs.store.change() as tx:
        return [jobs.enqueue(tx, kind, {"number": number}, **options) for number in range(count)]


@contextmanager
def working(jobs: Jobs, queue_url: str, *kinds: Kind, threads: int = 8) -> Iterator[Worker]:
    """A worker under way; what was announced for another test's store is not there, and is passed over."""
    worker = Worker({"payments": Runner(jobs, kinds)}, open_transport(queue_url), threads=threads, poll=0.02)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


class Notes:
    """Effects that can be counted in the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.runs: Counter[str] = Counter()

    def handler(self, job: Job) -> Effect:
        self.runs[job.id] += 1

        def effect(tx: sa.Connection) -> None:
            values = {"type": job.kind, "client_id": job.id, "data": dict(job.payload), "created_at": time.time()}
            tx.execute(sa.insert(EventRow).values(id=new_id("evt"), **values))

        return effect

    def effects(self) -> list[Any]:
        with self._store.read() as tx:
            return [
                row.data["number"] for row in tx.execute(sa.select(EventRow.__table__).order_by(EventRow.created_at))
            ]


def test_many_workers_do_each_job_once(store: Store, queue_url: str) -> None:
    notes, jobs = Notes(store), jobs_of(store)
    with (
        working(jobs, queue_url, Kind("note", notes.handler), threads=1),
        working(jobs_of(store), queue_url, Kind("note", notes.handler), threads=1),
    ):
        enqueue(jobs, "note", 60)
        eventually(jobs.depth, lambda depth: depth.waiting == 0)
    assert sorted(notes.effects()) == list(range(60))
    assert set(notes.runs.values()) == {1}


def test_what_fails_is_tried_again_and_then_buried_until_it_is_replayed(store: Store, queue_url: str) -> None:
    notes, jobs, broken = Notes(store), jobs_of(store), threading.Event()
    tries: list[int] = []

    def handler(job: Job) -> Effect:
        tries.append(job.attempts)
        if not broken.is_set():
            raise RuntimeError("not now")
        return notes.handler(job)

    with working(jobs, queue_url, Kind("note", handler, QUICK)):
        (identifier,) = enqueue(jobs, "note")
        (dead,) = eventually(lambda: jobs.listed("dead"), bool)
        assert (dead.id, dead.attempts, dead.last_error) == (identifier, 3, "RuntimeError")
        assert tries == [1, 2, 3]
        assert (jobs.depth().dead, jobs.replay("msg_other")) == (1, 0)
        broken.set()
        assert jobs.replay(identifier) == 1
        eventually(notes.effects, bool)
    assert tries[3] > 1, "a replay is no first run: what an earlier one did is asked for"
    assert jobs.depth().dead == 0


def test_an_effect_that_fails_leaves_nothing(store: Store) -> None:
    jobs = jobs_of(store)

    def handler(job: Job) -> Effect:
        def effect(tx: sa.Connection) -> None:
            values = {"type": "x", "client_id": "x", "data": {}, "created_at": 0.0}
            tx.execute(sa.insert(EventRow).values(id="x", **values))
            raise RuntimeError("in the middle")

        return effect

    runner = Runner(jobs, [Kind("note", handler, QUICK)])
    enqueue(jobs, "note")
    (job,) = runner.claim(5)
    runner.run(job)
    assert Notes(store).effects() == []
    with store.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(InboxRow)).scalar_one() == 0
    assert [row.last_error for row in jobs.listed("waiting")] == ["RuntimeError"]


def test_the_job_of_a_dead_worker_is_anothers_and_the_dead_one_changes_nothing_more(store: Store) -> None:
    clock = [1000.0]
    jobs, notes = jobs_of(store, lease=30, now=lambda: clock[0]), Notes(store)
    dead, heir = (Runner(jobs, [Kind("note", notes.handler)]) for _ in range(2))
    enqueue(jobs, "note")
    (lost,) = dead.claim(5)
    assert heir.claim(5) == []
    clock[0] += 29
    dead.heartbeat()
    clock[0] += 29
    assert heir.claim(5) == [], "a heartbeat holds the lease"
    clock[0] += 2
    (taken,) = heir.claim(5)
    assert (taken.id, taken.attempts) == (lost.id, 2)
    heir.run(taken)
    dead.run(lost)
    assert notes.effects() == [0]
    with pytest.raises(LeaseLost):
        jobs.again(dead.owner, lost, after=0, error="late")


def test_jobs_of_one_aggregate_run_in_order_and_wait_for_a_gap_to_close(store: Store, queue_url: str) -> None:
    notes, jobs, open_ = Notes(store), jobs_of(store), threading.Event()

    def handler(job: Job) -> Effect:
        if job.payload["number"] == 1 and not open_.is_set():
            raise Later(0.05)
        return notes.handler(job)

    with working(jobs, queue_url, Kind("note", handler)):
        with store.change() as tx:
            for number in (3, 1, 2):
                jobs.enqueue(tx, "note", {"number": number}, order=("one", number))
        enqueue(jobs, "note")
        eventually(notes.effects, lambda seen: seen == [0])
        open_.set()
        eventually(notes.effects, lambda seen: len(seen) == 4)
    assert notes.effects() == [0, 1, 2, 3]


def test_what_is_due_later_is_not_done_before(store: Store) -> None:
    clock = [1000.0]
    jobs = jobs_of(store, now=lambda: clock[0])
    enqueue(jobs, "note", after=60)
    assert jobs.claim("me", ["note"], 5) == []
    clock[0] += 61
    assert len(jobs.claim("me", ["note"], 5)) == 1


def test_only_kinds_that_are_known_are_claimed(store: Store) -> None:
    jobs = jobs_of(store)
    enqueue(jobs, "of a newer program")
    assert jobs.claim("me", ["note"], 5) == []
    assert jobs.depth().waiting == 1


def test_a_worker_that_is_stopped_finishes_what_it_runs(store: Store, queue_url: str) -> None:
    notes, jobs, begun, go_on = Notes(store), jobs_of(store), threading.Event(), threading.Event()

    def handler(job: Job) -> Effect:
        begun.set()
        assert go_on.wait(30)
        return notes.handler(job)

    with working(jobs, queue_url, Kind("note", handler), threads=1) as worker:
        enqueue(jobs, "note")
        assert begun.wait(30)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        go_on.set()
        stopping.join(30)
        assert notes.effects() == [0]


def test_messages_of_another_service_are_taken_once_and_in_order(store: Store) -> None:
    def in_tx(call: Callable[[sa.Connection], Any]) -> Any:
        with store.change() as tx:
            return call(tx)

    assert in_tx(lambda tx: inbox.take(tx, InboxRow, "orders", "m1", 0.0))
    assert not in_tx(lambda tx: inbox.take(tx, InboxRow, "orders", "m1", 0.0))
    assert in_tx(lambda tx: inbox.take(tx, InboxRow, "mail", "m1", 0.0))
    Base.metadata.create_all(store.engine)
    verdicts = [in_tx(lambda tx, n=n: inbox.take_in_order(tx, Position, "orders", "pay_1", n)) for n in (1, 3, 2, 2, 3)]
    assert verdicts == [Verdict.NEXT, Verdict.EARLY, Verdict.NEXT, Verdict.OLD, Verdict.NEXT]


def test_retries_wait_longer_each_time_and_end() -> None:
    delays = [BackOff(first=1, longest=10, tries=6).delay(attempt) for attempt in range(1, 7)]
    assert delays[-1] is None
    for delay, middle in zip(delays[:-1], (1, 2, 4, 8, 10), strict=True):
        assert delay is not None
        assert 0.8 * middle <= delay <= 1.2 * middle
    assert [Ladder((5.0,)).delay(attempt) is None for attempt in (1, 2)] == [False, True]


def test_done_work_is_forgotten_after_a_day_and_dead_letters_are_not(store: Store) -> None:
    clock = [1_000_000.0]
    jobs, notes = jobs_of(store, now=lambda: clock[0]), Notes(store)
    runner = Runner(jobs, [Kind("note", notes.handler)])
    enqueue(jobs, "note", 2)
    done, dead = runner.claim(5)
    runner.run(done)
    with store.change() as tx:
        jobs.bury(tx, runner.owner, dead, "given up")
    assert jobs.prune() == 0
    clock[0] += 86_401
    assert jobs.prune() == 1
    assert [row.id for row in jobs.listed("dead")] == [dead.id]
