"""The audit trail: one chain however many write, and whatever is changed, removed, added or reordered is found."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from idp.platform import audit as trail
from idp.platform import schema
from idp.platform.audit import Audit, Verdict, events_of, forget, verify
from idp.platform.db import Database
from idp.platform.models import AuditHeadRow, AuditRow
from tests.support import databases
from tests.support.clocks import ManualClock

ROWS = 6
Tamper = Callable[[sa.Connection], object]


def fill(database: Database, clock: ManualClock, count: int = ROWS) -> None:
    audit = Audit(clock)
    for number in range(count):
        with database.write() as tx:
            audit.append(tx, "login", sub=f"person {number}", peer="127.0.0.1")
        clock.advance(1)


def verdict(database: Database) -> Verdict:
    with database.read() as tx:
        return verify(tx)


def entries(database: Database) -> list[dict[str, object]]:
    with database.read() as tx:
        return [
            json.loads(entry) for entry in tx.execute(sa.select(AuditRow.entry).order_by(AuditRow.sequence)).scalars()
        ]


def test_an_empty_trail_is_whole(database: Database) -> None:
    assert verdict(database) == Verdict(0, None)


def test_what_happened_is_told_in_order(database: Database, clock: ManualClock) -> None:
    start = clock.now()
    fill(database, clock)
    assert verdict(database) == Verdict(ROWS, None)
    entry = entries(database)[1]
    assert len(str(entry.pop("personal"))) == 64
    assert entry == {"sequence": 2, "time": start + 1, "event": "login", "outcome": "success", "sub": "person 1"}
    with database.read() as tx:
        (event,) = events_of(tx, "person 1", 10)
    assert (event.sequence, event.time, event.name) == (2, start + 1, "login")
    assert event.facts == {"outcome": "success", "peer": "127.0.0.1"}


def test_a_session_goes_in_as_a_digest_and_nothing_goes_in_as_null(database: Database, clock: ManualClock) -> None:
    with database.write() as tx:
        Audit(clock).append(tx, "login", session="the-session-id", sub="alice", peer=None)
    (entry,) = entries(database)
    assert len(str(entry["session"])) == 16
    assert "the-session-id" not in json.dumps(entry)
    assert "personal" not in entry


def test_what_is_personal_can_be_forgotten_but_not_changed(database: Database, clock: ManualClock) -> None:
    fill(database, clock, 3)
    with database.write() as tx:
        forget(tx, "person 1")
        assert [event.facts for event in events_of(tx, "person 1", 10)] == [{"outcome": "success"}]
        assert events_of(tx, "person 2", 10)[0].facts["peer"] == "127.0.0.1"
    assert verdict(database) == Verdict(3, None)
    assert "127.0.0.1" not in json.dumps(entries(database))
    with database.write() as tx:
        _change(3, personal=json.dumps({"peer": "127.0.0.2", "salt": "x"}))(tx)
    assert verdict(database).broken_at == 3


def test_an_entry_cannot_be_given_to_somebody_else(database: Database, clock: ManualClock) -> None:
    fill(database, clock, 3)
    with database.write() as tx:
        _change(2, sub="person 0")(tx)
    assert verdict(database).broken_at == 2


def test_a_person_sees_their_own_events_newest_first_and_by_name(database: Database, clock: ManualClock) -> None:
    audit = Audit(clock)
    for number, (event, sub) in enumerate([("login", "a"), ("login", "b"), ("logout", "a"), ("login", "a")]):
        with database.write() as tx:
            audit.append(tx, event, sub=sub, number=number)
    with database.read() as tx:
        assert [event.facts["number"] for event in events_of(tx, "a", 10)] == [3, 2, 0]
        assert [event.facts["number"] for event in events_of(tx, "a", 1, before=4)] == [2]
        assert [event.facts["number"] for event in events_of(tx, "a", 10, names={"login"})] == [3, 0]


def test_what_is_rolled_back_leaves_no_gap(database: Database, clock: ManualClock) -> None:
    fill(database, clock, 2)
    with pytest.raises(RuntimeError), database.write() as tx:
        Audit(clock).append(tx, "login", sub="nobody")
        raise RuntimeError
    fill(database, clock, 2)
    assert verdict(database) == Verdict(4, None)


def _change(row: int, **values: object) -> Tamper:
    return lambda tx: tx.execute(sa.update(AuditRow).where(AuditRow.sequence == row).values(**values))


def _remove(*sequences: int) -> Tamper:
    return lambda tx: tx.execute(sa.delete(AuditRow).where(AuditRow.sequence.in_(sequences)))


def _swap(tx: sa.Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        _change(old, sequence=new)(tx)


def _shift(tx: sa.Connection) -> None:
    """Remove one and close the gap."""
    _remove(3)(tx)
    for sequence in range(4, ROWS + 1):
        _change(sequence, sequence=sequence - 1)(tx)


def _add(sequence: int) -> Tamper:
    row = {"sequence": sequence, "time": 1, "event": "login", "entry": "{}", "hash": "0" * 64}
    return lambda tx: tx.execute(sa.insert(AuditRow).values(**row))


def _forge(tx: sa.Connection) -> None:
    """A new entry with a hash of its own that fits what comes before it, but not what comes after it."""
    previous, row = (
        tx.execute(sa.select(AuditRow.__table__).where(AuditRow.sequence == sequence)).one() for sequence in (2, 3)
    )
    entry = row.entry.replace("person 2", "person X")
    _change(3, entry=entry, sub="person X", hash=trail._hash(previous.hash, entry))(tx)


def _head(**values: object) -> Tamper:
    return lambda tx: tx.execute(sa.update(AuditHeadRow).values(**values))


TAMPERINGS: dict[str, tuple[Tamper, int]] = {
    "another event": (_change(3, event="logout"), 3),
    "another time": (_change(3, time=1), 3),
    "another entry": (_change(3, entry=json.dumps({"sequence": 3})), 3),
    "an entry that is no JSON": (_change(3, entry="{"), 3),
    "an empty entry": (_change(3, entry=""), 3),
    "another hash": (_change(3, hash="0" * 64), 3),
    "a forged entry with its hash": (_forge, 4),
    "the first removed": (_remove(1), 2),
    "one removed": (_remove(3), 4),
    "one removed and the gap closed": (_shift, 3),
    "two swapped": (_swap, 2),
    "the last removed": (_remove(ROWS), ROWS),
    "the last two removed": (_remove(ROWS - 1, ROWS), ROWS - 1),
    "all removed": (_remove(*range(1, ROWS + 1)), 1),
    "one added at the end": (_add(ROWS + 1), ROWS + 1),
    "one added in front": (_add(0), 0),
    "one added far in front": (_add(-(2**62)), -(2**62)),
    "the head set back": (_head(sequence=ROWS - 1), ROWS + 1),
    "the head's hash changed": (_head(hash="0" * 64), ROWS + 1),
    "the head removed": (lambda tx: tx.execute(sa.delete(AuditHeadRow)), ROWS + 1),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_and_located(database: Database, clock: ManualClock, name: str) -> None:
    fill(database, clock)
    tamper, place = TAMPERINGS[name]
    with database.write() as tx:
        tamper(tx)
    assert verdict(database).broken_at == place


def test_a_chain_longer_than_a_page_is_walked_whole(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "_PAGE", 4)
    fill(database, clock, 9)
    assert verdict(database) == Verdict(9, None)
    with database.write() as tx:
        _change(9, event="x")(tx)
    assert verdict(database).broken_at == 9


def test_writers_at_once_keep_one_chain(database: Database, clock: ManualClock) -> None:
    audit = Audit(clock)

    def write(number: int) -> None:
        with database.write() as tx:
            audit.append(tx, "login", sub=str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(60)))
    assert verdict(database) == Verdict(60, None)
    assert {entry["sub"] for entry in entries(database)} == {str(number) for number in range(60)}


def test_a_look_while_others_write_sees_one_moment(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that come between the pages of a look are not taken for tampering."""
    monkeypatch.setattr(trail, "_PAGE", 2)
    fill(database, clock, 5)
    with database.read() as tx:
        walk = iter_with(lambda: fill(database, clock, 3), tx)
    assert walk == Verdict(5, None)
    assert verdict(database).broken_at is None


def iter_with(between: Callable[[], None], tx: sa.Connection) -> Verdict:
    """Verify, with something happening on another connection after the third statement."""
    seen = []

    def after(*_arguments: object) -> None:
        seen.append(1)
        if len(seen) == 3:
            between()

    sa.event.listen(tx, "after_cursor_execute", after)
    return verify(tx)


@pytest.mark.parametrize("kind", databases.KINDS)
def test_entries_of_before_people_were_noted_beside_them_are_found_again(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock, kind: str
) -> None:
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
        if kind == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        old = databases.open_database(url)
        stack.callback(old.engine.dispose)
        schema.upgrade(old)
        audit = Audit(clock)
        with old.write() as tx:
            for number in range(1200):
                audit.append(tx, "login", sub=f"person {number % 3}")
            audit.append(tx, "client.created", client_id='of "sub" and \u0000 and ☃')
            tx.execute(sa.update(AuditRow).values(sub=None))
        schema.downgrade(old, "0021")
        schema.upgrade(old)
        with old.read() as tx:
            assert [event.sequence for event in events_of(tx, "person 2", 2)] == [1200, 1197]
            assert tx.execute(sa.select(AuditRow.sequence).where(AuditRow.sub.is_(None))).scalars().all() == [1201]
        assert verdict(old) == Verdict(1201, None)
        assert schema.drift(old) == []
        with old.read() as tx:
            columns = {column["name"] for column in sa.inspect(tx).get_columns("authorizations")}
        assert "consented_sub" not in columns
