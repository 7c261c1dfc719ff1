"""Who takes part in a session: told once when it ends for whatever reason, never when it merely runs out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idp.users import sessions as session_store
from idp.users.people import Party
from tests.users.support import ABSOLUTE, IDLE, Town
from tests.users.test_sessions import ENDINGS


@pytest.fixture
def alice(town: Town) -> str:
    return town.person("alice", password=None).sub


def join(town: Town, sid: str, *names: str) -> list[bool]:
    with town.database.write() as tx:
        return [town.sessions.join(tx, sid, name) for name in names]


def test_who_took_part_is_named_once_when_the_session_ends(town: Town, alice: str) -> None:
    sid = town.session(town.log_in(alice)).sid
    assert join(town, sid, "shop", "wiki", "shop") == [True, True, True]
    parties = {Party("shop", sid), Party("wiki", sid)}
    assert set(town.sessions.end(sid)) == parties
    assert set(town.told_of[sid]) == parties
    assert town.sessions.end(sid) == ()
    assert join(town, sid, "late") == [False]


def test_each_session_has_its_own_parties(town: Town, alice: str) -> None:
    one, other = (town.session(town.log_in(alice)).sid for _ in range(2))
    join(town, one, "shop")
    join(town, other, "shop", "wiki")
    assert town.sessions.end(one) == (Party("shop", one),)
    assert len(town.sessions.end(other)) == 2


@pytest.mark.parametrize("why", ENDINGS)
def test_those_of_a_session_that_ran_out_still_hear_when_the_person_loses_their_rights(
    town: Town, alice: str, why: str
) -> None:
    sid = town.session(town.log_in(alice)).sid
    join(town, sid, "shop")
    town.clock.advance(IDLE)
    ENDINGS[why](town, alice)
    assert town.told_of == {sid: (Party("shop", sid),)}


def test_logging_in_again_in_time_keeps_the_parties(town: Town, alice: str) -> None:
    old = town.log_in(alice)
    sid = town.session(old).sid
    join(town, sid, "shop")
    new = town.session(town.log_in(alice, previous=old)).sid
    assert (new, town.told_of) == (sid, {})
    assert town.sessions.end(new) == (Party("shop", sid),)


def test_after_a_pause_the_parties_follow_into_the_new_session_under_the_name_they_know(town: Town, alice: str) -> None:
    cookie, names = town.log_in(alice), ("shop", "wiki", "mail")
    sids = []
    for name in names:
        sids.append(town.session(cookie).sid)
        join(town, sids[-1], name)
        town.clock.advance(IDLE)
        cookie = town.log_in(alice, previous=cookie)
    assert len(set(sids)) == 3
    assert town.told_of == {}
    assert set(town.sessions.end(town.session(cookie).sid)) == set(map(Party, names, sids))


@pytest.mark.parametrize("pause", [0, IDLE], ids=["living", "run-out"])
def test_somebody_elses_login_in_the_same_browser_tells_them(town: Town, alice: str, pause: int) -> None:
    bob = town.person("bob", password=None).sub
    old = town.log_in(alice)
    sid = town.session(old).sid
    join(town, sid, "shop")
    town.clock.advance(pause)
    town.log_in(bob, previous=old)
    assert town.told_of == {sid: (Party("shop", sid),)}


def test_a_session_that_ran_out_is_known_by_its_cookie_and_can_be_ended(town: Town, alice: str) -> None:
    cookie = town.log_in(alice)
    sid = town.session(cookie).sid
    join(town, sid, "shop")
    assert town.sessions.run_out(cookie) is None
    town.clock.advance(IDLE)
    assert town.sessions.find(cookie) is None
    assert join(town, sid, "late") == [False]
    found = town.sessions.run_out(cookie)
    assert found is not None
    assert town.sessions.end(found.sid) == (Party("shop", sid),)
    assert [town.sessions.run_out(one) for one in (cookie, None, "", "unknown")] == [None] * 4


def test_parties_are_forgotten_with_the_session(town: Town, alice: str) -> None:
    cookie = town.log_in(alice)
    join(town, town.session(cookie).sid, "shop")
    town.clock.advance(ABSOLUTE + 1)
    with town.database.write() as tx:
        assert session_store.prune(tx, town.clock.now(), 100) == 1
        assert tx.exec_driver_sql("SELECT count(*) FROM session_parties").scalar() == 0
    assert town.told_of == {}


def at_once(town: Town, sid: str, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Some join while two end the session: who got in, and who was told."""
    barrier = Barrier(len(names) + 2)

    def joining(name: str) -> bool:
        barrier.wait(20)
        return join(town, sid, name)[0]

    def ending(_number: int) -> tuple[Party, ...]:
        barrier.wait(20)
        return town.sessions.end(sid)

    with ThreadPoolExecutor(len(names) + 2) as pool:
        joined, ended = pool.map(joining, names), pool.map(ending, range(2))
        told = [party.name for parties in ended for party in parties]
        return [name for name, got_in in zip(names, joined, strict=True) if got_in], told


def test_whoever_joins_while_the_session_ends_is_told_or_turned_away(town: Town, alice: str) -> None:
    for _ in range(12):
        joined, told = at_once(town, town.session(town.log_in(alice)).sid, ("shop", "wiki"))
        assert sorted(joined) == sorted(told)
