"""Indexes of status lists: nobody gets another's, a block is leased in a write of its own, and without one there is no token."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from idp.errors import ProtocolError, Unavailable
from idp.platform.db import Database
from idp.tokens import status_list_indexes
from idp.tokens.models import RevokedIndexRow, StatusBlockRow, StatusEntryRow, StatusShardRow
from idp.tokens.status_list import LONGEST_LIFE, SIZE, StatusClaim
from idp.tokens.status_list_indexes import BLOCK, HOUR, LARGEST_BLOCK, MARGIN, StatusIndexes, prune
from tests.support.clocks import ManualClock
from tests.support.databases import open_database

ISSUER = "https://idp.test"
Place = tuple[str, int]


def admit_all(_tx: sa.Connection, _client_id: str) -> None:
    pass


@pytest.fixture
def indexes(database: Database, clock: ManualClock) -> StatusIndexes:
    return StatusIndexes(database, clock, ISSUER, admit_all)


def place(claim: StatusClaim) -> Place:
    assert claim.keys() == {"status_list"}
    assert claim["status_list"].keys() == {"idx", "uri"}
    return claim["status_list"]["uri"], claim["status_list"]["idx"]


def taken(indexes: StatusIndexes, count: int, client_id: str = "app") -> list[Place]:
    return [place(indexes.of_client(client_id)) for _ in range(count)]


def blocks(database: Database) -> list[Any]:
    with database.read() as tx:
        query = sa.select(StatusBlockRow.client_id, StatusBlockRow.first, StatusBlockRow.size)
        return [tuple(row) for row in tx.execute(query.order_by(StatusBlockRow.shard, StatusBlockRow.first))]


def shards(database: Database) -> list[Any]:
    with database.read() as tx:
        return list(tx.execute(sa.select(StatusShardRow.__table__).order_by(StatusShardRow.name)))


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(*arguments: Any) -> None:
        sent.append(str(arguments[2]))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(database.engine, "before_cursor_execute", note)


def test_a_token_says_where_it_stands_in_which_list(indexes: StatusIndexes, clock: ManualClock) -> None:
    uri, index = place(indexes.of_client("app"))
    assert uri == f"{ISSUER}/oauth/status/{clock.now() // HOUR}-0"
    assert 0 <= index < SIZE


def test_a_block_is_the_only_write_of_many_tokens(indexes: StatusIndexes, database: Database) -> None:
    indexes.of_client("app")
    with statements(database) as sent:
        taken(indexes, BLOCK - 1)
    assert sent == []
    assert blocks(database) == [("app", 0, BLOCK)]


def test_indexes_do_not_follow_each_other(indexes: StatusIndexes) -> None:
    """§12.5.1: from the index of a token nobody learns that of the next."""
    steps = {later - sooner for (_, sooner), (_, later) in zip(*[iter(taken(indexes, BLOCK))] * 2, strict=True)}
    assert 1 not in steps


def test_who_shares_no_client_shares_no_block(indexes: StatusIndexes, database: Database) -> None:
    places = [*taken(indexes, 3, "app"), *taken(indexes, 3, "other"), *taken(indexes, 3, "app")]
    reserved = [indexes.reserve() for _ in range(3)]
    assert len({*places, *((one.uri, one.index) for one in reserved)}) == 12
    assert blocks(database) == [("app", 0, BLOCK), ("other", BLOCK, BLOCK)]
    assert shards(database)[0].used == 3 * BLOCK


def test_whoever_uses_up_blocks_quickly_gets_larger_ones_and_small_ones_again_after_a_pause(
    indexes: StatusIndexes, database: Database, clock: ManualClock
) -> None:
    taken(indexes, BLOCK + 2 * BLOCK + 1)
    clock.advance(60)
    taken(indexes, 4 * BLOCK)
    assert [size for _, _, size in blocks(database)] == [BLOCK, 2 * BLOCK, 4 * BLOCK, BLOCK]


def test_a_full_list_is_followed_by_another(
    indexes: StatusIndexes, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_list_indexes, "BLOCK", LARGEST_BLOCK)
    places = taken(indexes, SIZE + 1)
    assert len(set(places)) == SIZE + 1
    assert Counter(uri.rpartition("-")[2] for uri, _ in places) == {"0": SIZE, "1": 1}
    assert {index for uri, index in places if uri.endswith("-0")} == set(range(SIZE))
    assert [row.used for row in shards(database)] == [SIZE, LARGEST_BLOCK]


def test_each_hour_has_lists_of_its_own_and_a_block_is_good_for_an_hour(
    indexes: StatusIndexes, database: Database, clock: ManualClock
) -> None:
    clock.advance(HOUR - clock.now() % HOUR - 1)
    ((first, _),) = taken(indexes, 1)
    clock.advance(2)
    assert taken(indexes, 1)[0][0] == first
    assert taken(indexes, 1, "another")[0][0] != first
    clock.advance(HOUR - 3)
    assert taken(indexes, 1)[0][0] == first
    last = clock.now()
    clock.advance(1)
    assert taken(indexes, 1)[0][0] != first
    assert shards(database)[0].expires_at > last + LONGEST_LIFE


def test_a_client_that_was_disabled_just_now_gets_no_index(database: Database, clock: ManualClock) -> None:
    def refuse(_tx: sa.Connection, client_id: str) -> None:
        if client_id == "disabled":
            raise ProtocolError("invalid_client", "no", status=401)

    indexes = StatusIndexes(database, clock, ISSUER, refuse)
    with pytest.raises(ProtocolError):
        indexes.of_client("disabled")
    assert blocks(database) == shards(database) == []
    assert indexes.of_client("app")


def test_without_a_database_there_is_no_index_but_those_that_were_leased(
    tmp_path_factory: pytest.TempPathFactory, clock: ManualClock
) -> None:
    away = open_database(f"sqlite:///{tmp_path_factory.mktemp('away')}/nowhere/idp.sqlite3")
    indexes = StatusIndexes(away, clock, ISSUER, admit_all)
    for get in (lambda: indexes.of_client("app"), indexes.reserve):
        with pytest.raises(Unavailable):
            get()


def test_threads_that_run_out_at_once_lease_once(indexes: StatusIndexes, database: Database) -> None:
    with ThreadPoolExecutor(16) as pool:
        places = [one for some in pool.map(lambda _: taken(indexes, 40), range(16)) for one in some]
    assert len(set(places)) == 640
    assert [size for _, _, size in blocks(database)] == [BLOCK, 2 * BLOCK]


def test_processes_that_lease_at_once_never_share_an_index(database_url: str) -> None:
    """Two nodes and their workers: processes that know nothing of each other but the database."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        results = pool.map(_take_many, [database_url] * 4)
    places = [one for some in results for one in some]
    assert len(places) == 4 * 3000
    assert len(set(places)) == len(places)


def _take_many(url: str) -> list[Place]:
    database = open_database(url)
    indexes = StatusIndexes(database, ManualClock(), ISSUER, admit_all)
    found = [*taken(indexes, 2000), *taken(indexes, 500, str(os.getpid()))]
    found += [(one.uri, one.index) for one in (indexes.reserve() for _ in range(500))]
    database.engine.dispose()
    return found


def test_a_forked_process_hands_out_none_of_what_its_parent_leased(database_url: str) -> None:
    database = open_database(database_url)
    indexes = StatusIndexes(database, ManualClock(), ISSUER, admit_all)
    before = taken(indexes, 10)
    database.engine.dispose()
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, repr(taken(indexes, 20)).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    of_child = set(eval(os.read(read, 65536)))
    os.close(read), os.close(write)
    assert len(of_child) == 20
    assert not of_child & {*before, *taken(indexes, BLOCK - 10)}
    database.engine.dispose()


def test_what_is_remembered_of_clients_is_bounded(
    indexes: StatusIndexes, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_list_indexes, "_MOST_LEASES", 3)
    for client_id in ("a", "b", "c", "d", "a", "d"):
        indexes.of_client(client_id)
    assert Counter(owner for owner, _, _ in blocks(database)) == {"a": 2, "b": 1, "c": 1, "d": 1}


def test_lists_are_forgotten_when_no_living_token_points_into_them(
    indexes: StatusIndexes, database: Database, clock: ManualClock
) -> None:
    clock.advance(HOUR - clock.now() % HOUR)
    taken(indexes, 1)
    reserved = indexes.reserve()
    with database.write() as tx:
        reserved.attach(tx, ("grant", "g"), ("token", "t"))
        tx.execute(sa.insert(RevokedIndexRow), {"shard": reserved.shard, "idx": reserved.index, "revoked_in": 1})

    def prune_all(limit: int = 1) -> list[int]:
        return list(iter(lambda: _pruned(database, clock, limit), 0))

    assert prune_all() == []
    clock.advance(LONGEST_LIFE + MARGIN)
    assert sum(prune_all()) == 2, "nothing hangs on an expired token"
    clock.advance(2 * HOUR - 1)
    assert prune_all() == []
    clock.advance(1)
    assert sum(prune_all()) == 3
    with database.read() as tx:
        for table in (StatusShardRow, StatusBlockRow, StatusEntryRow, RevokedIndexRow):
            assert tx.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0


def _pruned(database: Database, clock: ManualClock, limit: int) -> int:
    with database.write() as tx:
        return prune(tx, clock.now(), limit)
