"""Browser sessions: a new cookie at every login, an idle and an absolute end, and over at once when the person's rights are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from idp.users import sessions as session_store
from tests.users.support import ABSOLUTE, IDLE, Town

DAY = 86400


@pytest.fixture
def alice(town: Town) -> str:
    return town.person("alice", password=None).sub


def prune(town: Town) -> int:
    with town.database.write() as tx:
        return session_store.prune(tx, town.clock.now(), 100)


def alive(town: Town, sid: str) -> bool:
    with town.database.read() as tx:
        return town.sessions.alive(tx, sid)


def test_a_session_says_who_logged_in_when_and_how(town: Town, alice: str) -> None:
    session = town.session(town.log_in(alice))
    assert (session.sub, session.acr, session.amr) == (alice, "1fa", ("pwd",))
    assert (session.auth_time, session.expires_at) == (town.clock.now(), town.clock.now() + ABSOLUTE)
    assert alive(town, session.sid)


@pytest.mark.parametrize("cookie", [None, "", "unknown", "x" * 5000, "\udcff", "ä"])
def test_a_cookie_that_is_none_of_ours_is_nobody(town: Town, cookie: str | None) -> None:
    assert town.sessions.find(cookie) is None


def test_the_cookie_is_stored_as_a_digest_and_is_not_the_sid(town: Town, alice: str) -> None:
    cookie = town.log_in(alice)
    assert town.session(cookie).sid != cookie
    assert town.sessions.find(town.session(cookie).sid) is None, "the public sid opens nothing"
    with town.database.read() as tx:
        dump = [tx.exec_driver_sql(f"SELECT * FROM {table}").all() for table in ("sessions", "audit")]
    assert cookie not in str(dump)


def test_logging_in_again_changes_the_cookie_and_keeps_the_session(town: Town, alice: str) -> None:
    old = town.log_in(alice)
    sid = town.session(old).sid
    town.clock.advance(60)
    new = town.log_in(alice, previous=old)
    assert town.sessions.find(old) is None, "a cookie somebody planted is worth nothing"
    assert town.session(new).sid == sid
    assert town.session(new).auth_time == town.clock.now()
    assert town.ended == []


def test_somebody_elses_login_in_the_same_browser_ends_the_session(town: Town, alice: str) -> None:
    bob = town.person("bob", password=None).sub
    old = town.log_in(alice)
    sid = town.session(old).sid
    new = town.log_in(bob, previous=old)
    assert town.sessions.find(old) is None
    assert (town.session(new).sub, town.ended) == (bob, [sid])


def test_two_browsers_have_two_sessions(town: Town, alice: str) -> None:
    one, other = town.log_in(alice), town.log_in(alice)
    town.sessions.end(town.session(one).sid)
    assert town.sessions.find(one) is None
    assert town.session(other).sub == alice


def test_an_unused_session_is_over_after_the_idle_time(town: Town, alice: str) -> None:
    cookie = town.log_in(alice)
    sid = town.session(cookie).sid
    town.clock.advance(IDLE - 1)
    assert alive(town, sid)
    town.clock.advance(1)
    assert town.sessions.find(cookie) is None
    assert not alive(town, sid)


def test_use_keeps_a_session_alive_up_to_its_absolute_end(town: Town, alice: str) -> None:
    cookie = town.log_in(alice)
    for _ in range(ABSOLUTE // (IDLE // 2) - 1):
        town.clock.advance(IDLE // 2)
        assert town.session(cookie).sub == alice
    town.clock.advance(IDLE // 2)
    assert town.sessions.find(cookie) is None


def test_an_idle_session_is_not_taken_over_by_a_new_login(town: Town, alice: str) -> None:
    old = town.log_in(alice)
    sid = town.session(old).sid
    town.clock.advance(IDLE)
    assert town.session(town.log_in(alice, previous=old)).sid != sid


def test_ending_a_session_tells_who_hangs_on_it_once(town: Town, alice: str) -> None:
    sid = town.session(town.log_in(alice)).sid
    town.sessions.end(sid)
    town.sessions.end(sid)
    assert town.ended == [sid]
    assert not alive(town, sid)


ENDINGS: dict[str, Callable[[Town, str], object]] = {
    "disabled": lambda town, sub: town.accounts.disable(sub),
    "a new password": lambda town, sub: town.accounts.set_password(sub, "another horse 48 staple"),
    "deleted": lambda town, sub: town.accounts.delete(sub),
}


@pytest.mark.parametrize("why", ENDINGS)
def test_every_session_of_a_person_ends_at_once_and_nobody_elses(town: Town, alice: str, why: str) -> None:
    bob = town.person("bob", password=None).sub
    cookies = [town.log_in(alice) for _ in range(3)]
    sids = {town.session(cookie).sid for cookie in cookies}
    other = town.log_in(bob)
    for person in (alice, bob):
        town.remember("device", person)
    ENDINGS[why](town, alice)
    assert [town.sessions.find(cookie) for cookie in cookies] == [None] * 3
    assert set(town.ended) == sids
    assert town.session(other).sub == bob
    assert not town.devices.knows("device", alice), "the devices of before are forgotten"
    assert town.devices.knows("device", bob)


def test_a_change_that_takes_no_rights_ends_no_session(town: Town, alice: str) -> None:
    cookie = town.log_in(alice)
    town.accounts.update(alice, roles=("admin",))
    assert town.session(cookie).sub == alice


def test_a_session_of_a_disabled_person_opens_nothing_even_if_it_was_made_later(town: Town, alice: str) -> None:
    town.accounts.disable(alice)
    assert town.sessions.find(town.log_in(alice)) is None


def test_a_device_is_known_for_the_person_who_logged_in_there(town: Town, alice: str) -> None:
    town.remember("device", alice)
    town.remember("device", alice)
    assert town.devices.knows("device", alice)
    assert not town.devices.knows("device", "bob")
    for unknown in (None, "", "another"):
        assert not town.devices.knows(unknown, alice)


def test_what_is_over_is_removed_and_nothing_else(town: Town, alice: str) -> None:
    cookie = town.log_in(alice)
    town.clock.advance(ABSOLUTE)
    assert prune(town) == 0
    town.clock.advance(1)
    assert prune(town) == 1
    assert town.sessions.find(cookie) is None


def test_a_device_one_person_left_long_ago_stays_known_for_the_other(town: Town, alice: str) -> None:
    bob = town.person("bob", password=None).sub
    town.remember("shared", alice)
    town.clock.advance(100 * DAY)
    town.remember("shared", bob)
    town.clock.advance(81 * DAY)
    assert prune(town) == 1
    assert not town.devices.knows("shared", alice)
    assert town.devices.knows("shared", bob)
