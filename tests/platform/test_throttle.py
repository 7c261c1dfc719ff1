"""Waits that grow: counted for all bounds at once in the database or in Redis, twice as long each time, and never in clear."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import sqlalchemy as sa

from idp.clock import SystemClock
from idp.errors import TooManyRequests
from idp.platform import throttle as throttle_store
from idp.platform import throttle_redis
from idp.platform.db import Database
from idp.platform.models import ThrottleRow
from idp.platform.secrets import MasterKey
from idp.platform.throttle import Bound, DatabaseTallies, Tallies, Throttle, line_of, network_of
from idp.platform.throttle_redis import RedisTallies
from tests.support import databases
from tests.support.clocks import ManualClock
from tests.support.logs import recorded
from tests.support.ports import free_port
from tests.support.reused import empty_database

MASTER = MasterKey(b"m" * 32)
WINDOW, LONGEST = 60, 240
MINE = Bound("login", "alice", 4, own=True)
SHARED = Bound("line", "192.0.2.1", 8)


@pytest.fixture(params=[*databases.KINDS, "redis"])
def tallies(request: pytest.FixtureRequest) -> Iterator[Tallies]:
    """Where tallies are kept, one after the other."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        redis.Redis.from_url(url).flushdb()
        yield RedisTallies(url)
        return
    opened = databases.open_database(empty_database(request, request.param))
    yield DatabaseTallies(opened)
    opened.engine.dispose()


@pytest.fixture
def throttle(tallies: Tallies, clock: ManualClock) -> Throttle:
    return Throttle(tallies, MASTER, clock, window=WINDOW, longest=LONGEST)


def knock(throttle: Throttle, *bounds: Bound, right: bool = False) -> int:
    """One answer: 0 when it was looked at, else how long to wait."""
    try:
        with throttle.answer(bounds) as answer:
            if right:
                answer.right()
    except TooManyRequests as error:
        assert error.headers == {"Retry-After": str(error.retry_after)}
        return error.retry_after
    return 0


def fail_until_waiting(throttle: Throttle, *bounds: Bound) -> tuple[int, int]:
    """How many wrong answers were looked at before a wait, and how long it is."""
    for looked_at in range(100):
        wait = knock(throttle, *bounds)
        if wait:
            return looked_at, wait
    raise AssertionError("never a wait")


def test_each_wait_is_twice_as_long_and_half_as_many_answers_bring_it(throttle: Throttle, clock: ManualClock) -> None:
    seen = []
    for _ in range(6):
        seen.append(fail_until_waiting(throttle, MINE))
        clock.advance(seen[-1][1])
    assert seen == [(4, 60), (2, 120), (1, 240), (1, 240), (1, 240), (1, 240)]


def test_asking_while_waiting_makes_no_wait_longer(throttle: Throttle, clock: ManualClock) -> None:
    _, wait = fail_until_waiting(throttle, MINE)
    for _ in range(20):
        assert knock(throttle, MINE) == wait
    clock.advance(wait - 1)
    assert knock(throttle, MINE) == 1
    clock.advance(1)
    assert knock(throttle, MINE, right=True) == 0


def test_a_right_answer_after_the_wait_clears_ones_own_and_nothing_shared(
    throttle: Throttle, clock: ManualClock
) -> None:
    for number in range(7):
        assert knock(throttle, Bound("login", f"name {number}", 4, own=True), SHARED) == 0
    fail_until_waiting(throttle, MINE)
    clock.advance(WINDOW - 1)
    assert knock(throttle, MINE, SHARED) == 1
    clock.advance(1)
    for number in range(7):
        assert knock(throttle, Bound("login", f"name {number}", 4, own=True), SHARED) == 0
    assert knock(throttle, MINE, SHARED, right=True) == 0
    assert [knock(throttle, MINE) for _ in range(3)] == [0, 0, 0], "one's own begins anew"
    assert knock(throttle, SHARED) == 0, "the seven wrong ones of the others still count, the right one does not"
    assert knock(throttle, SHARED) == WINDOW


def test_a_right_answer_is_forgotten_with_what_it_leads_to(database: Database, clock: ManualClock) -> None:
    throttle = Throttle(DatabaseTallies(database), MASTER, clock, window=WINDOW, longest=LONGEST)

    def rights_itself(*, fails: bool) -> None:
        assert [knock(throttle, MINE) for _ in range(2)] == [0, 0]
        with throttle.answer([MINE]) as answer:
            forget = answer.right_with()
        assert forget is not None
        with contextlib.suppress(RuntimeError), database.write() as tx:
            assert forget(tx)
            if fails:
                raise RuntimeError("what it led to came to nothing")

    rights_itself(fails=False)
    assert [knock(throttle, MINE) for _ in range(4)] == [0, 0, 0, 0], "it begins anew"
    clock.advance(WINDOW + LONGEST)
    rights_itself(fails=True)
    assert [knock(throttle, MINE) for _ in range(2)] == [0, WINDOW], "nothing is forgotten"


def test_what_others_share_or_redis_keeps_is_given_back_at_once(tallies: Tallies, throttle: Throttle) -> None:
    bounds = [MINE] if isinstance(tallies, RedisTallies) else [MINE, SHARED]
    for _ in range(12):
        with throttle.answer(bounds) as answer:
            assert answer.right_with() is None


def test_a_right_answer_after_a_wait_leaves_the_shared_waits_as_long_as_they_were(
    throttle: Throttle, clock: ManualClock
) -> None:
    assert fail_until_waiting(throttle, SHARED) == (8, 60)
    clock.advance(60)
    assert knock(throttle, MINE, SHARED, right=True) == 0
    assert fail_until_waiting(throttle, SHARED) == (4, 120)


def test_right_answers_never_bring_a_wait(throttle: Throttle) -> None:
    for _ in range(30):
        assert knock(throttle, MINE, SHARED, right=True) == 0


def test_while_one_bound_waits_nothing_is_counted_under_the_others(throttle: Throttle) -> None:
    _, wait = fail_until_waiting(throttle, MINE)
    for _ in range(20):
        assert knock(throttle, MINE, SHARED) == wait
    assert fail_until_waiting(throttle, SHARED)[0] == 8


def test_the_longest_wait_is_told(throttle: Throttle, clock: ManualClock) -> None:
    fail_until_waiting(throttle, MINE)
    clock.advance(10)
    fail_until_waiting(throttle, SHARED)
    assert knock(throttle, MINE, SHARED) == WINDOW


def test_a_bound_that_was_changed_counts_from_then_on(throttle: Throttle) -> None:
    throttle.change({MINE.name: 2})
    assert fail_until_waiting(throttle, MINE)[0] == 2
    assert fail_until_waiting(throttle, SHARED)[0] == 8


def test_an_answer_that_was_never_looked_at_does_not_count(throttle: Throttle) -> None:
    for _ in range(10):
        with pytest.raises(RuntimeError), throttle.answer([MINE, SHARED]):
            raise RuntimeError
    assert fail_until_waiting(throttle, MINE, SHARED)[0] == 4


def test_failures_are_forgotten_when_the_window_is_over(throttle: Throttle, clock: ManualClock) -> None:
    for _ in range(5):
        assert [knock(throttle, MINE) for _ in range(3)] == [0, 0, 0]
        clock.advance(WINDOW)


def test_waits_are_forgotten_after_quiet_as_long_as_the_longest(throttle: Throttle, clock: ManualClock) -> None:
    fail_until_waiting(throttle, MINE)
    clock.advance(WINDOW + LONGEST - 1)
    assert fail_until_waiting(throttle, MINE) == (2, 120)
    clock.advance(120 + LONGEST)
    assert fail_until_waiting(throttle, MINE) == (4, 60)


def test_giving_back_after_the_window_takes_nothing_from_the_next(throttle: Throttle, clock: ManualClock) -> None:
    with throttle.answer([SHARED]) as late:
        clock.advance(WINDOW)
        assert [knock(throttle, SHARED) for _ in range(3)] == [0, 0, 0]
        late.right()
    assert fail_until_waiting(throttle, SHARED)[0] == 5


# -- at once ----------------------------------------------------------------------------------------------------------


def test_however_many_answer_at_once_no_more_than_the_limit_are_looked_at(throttle: Throttle) -> None:
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: knock(throttle, MINE, SHARED), range(80)))
    assert waits.count(0) == MINE.most


def test_bounds_in_any_order_wait_for_one_another_without_a_deadlock(throttle: Throttle) -> None:
    bounds = [Bound("line", str(number), 1000) for number in range(4)]
    orders = [bounds[number % 4 :] + bounds[: number % 4] for number in range(60)]
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(lambda order: knock(throttle, *order), orders)) == {0}


def looked_at(store: str, url: str, attempts: int, results: multiprocessing.Queue[int]) -> None:
    tallies = RedisTallies(url) if store == "redis" else DatabaseTallies(databases.open_database(url))
    throttle = Throttle(tallies, MASTER, SystemClock(), window=3600, longest=3600)
    with ThreadPoolExecutor(8) as pool:
        results.put(list(pool.map(lambda _: knock(throttle, MINE, SHARED), range(attempts))).count(0))


@pytest.mark.parametrize("store", [*databases.KINDS, "redis"])
def test_processes_share_one_count(request: pytest.FixtureRequest, store: str) -> None:
    if store == "redis":
        url = request.getfixturevalue("redis_url")
        redis.Redis.from_url(url).flushdb()
    else:
        url = empty_database(request, store)
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    workers = [context.Process(target=looked_at, args=(store, url, 30, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    counts = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(counts) == MINE.most


# -- where visitors come from -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "line", "network"),
    [
        ("192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.77/32", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("", "", ""),
        ("unix:", "unix:", "unix:"),
    ],
)
def test_a_line_and_a_network_are_told_from_an_address(peer: str, line: str, network: str) -> None:
    assert (line_of(peer), network_of(peer)) == (line, network)


# -- at rest ----------------------------------------------------------------------------------------------------------


def test_names_and_addresses_are_not_stored_in_clear(database: Database, redis_url: str, clock: ManualClock) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    for tallies in (DatabaseTallies(database), RedisTallies(redis_url)):
        knock(Throttle(tallies, MASTER, clock, window=WINDOW, longest=LONGEST), MINE, SHARED)
    with database.read() as tx:
        keys = [*tx.execute(sa.select(ThrottleRow.key)).scalars(), *map(str, redis.Redis.from_url(redis_url).keys())]
    assert len(keys) == 4
    assert not [key for key in keys if "alice" in key or "192" in key]


def test_what_is_forgotten_is_removed(database: Database, clock: ManualClock) -> None:
    throttle = Throttle(DatabaseTallies(database), MASTER, clock, window=WINDOW, longest=LONGEST)
    for number in range(3):
        knock(throttle, Bound("login", str(number), 4))
    fail_until_waiting(throttle, MINE)

    def prune(limit: int) -> int:
        with database.write() as tx:
            return throttle_store.prune(tx, clock.now(), limit)

    clock.advance(WINDOW - 1)
    assert prune(10) == 0
    clock.advance(1)
    assert [prune(2), prune(2)] == [2, 1]
    clock.advance(LONGEST)
    assert prune(10) == 1


def test_when_redis_is_away_nobody_waits_and_the_log_says_so(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = recorded(monkeypatch, throttle_redis)
    tallies = RedisTallies(f"redis://127.0.0.1:{free_port()}/0")
    throttle = Throttle(tallies, MASTER, clock, window=WINDOW, longest=LONGEST)
    for right in (False, True):
        assert knock(throttle, Bound("login", "alice", 1, own=True), SHARED, right=right) == 0
    assert written.getvalue().count("Redis is away") == 3
    assert "alice" not in written.getvalue()
