"""Accounts that people close themselves: open again for who comes back in time, deleted for good after it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from idp.errors import Refused
from idp.users.people import Change, Person
from tests.users.support import PASSWORD, Town

DAY = 86400


def nothing(_tx: sa.Connection) -> None:
    """No condition."""


def close(town: Town, person: Person, *, deletes_in: int | None = 30 * DAY) -> Person:
    return town.accounts.close(person.sub, deletes_in=deletes_in, first=nothing)


def test_who_closes_their_account_is_out_but_still_proves_themselves(town: Town) -> None:
    person = town.person()
    cookie = town.log_in(person.sub)
    closed = close(town, person)
    assert town.sessions.find(cookie) is None
    assert (closed.disabled, closed.may_return, closed.is_shut_out) == (True, True, False)
    assert (closed.closed_at, closed.deletes_at) == (town.clock.now(), town.clock.now() + 30 * DAY)
    assert town.authenticate("alice", PASSWORD) == closed


def test_receivers_hear_of_a_closed_account_as_of_a_disabled_one(town: Town) -> None:
    person = town.person()
    close(town, person)
    town.accounts.reopen(person.sub, first=nothing)
    assert [type_ for type_, _ in town.told] == ["user.created", "user.disabled", "user.enabled"]
    assert all("closed_at" not in payload and "deletes_at" not in payload for _, payload in town.told)


def test_coming_back_calls_the_deletion_off(town: Town) -> None:
    person = town.person()
    close(town, person)
    back = town.accounts.reopen(person.sub, first=nothing)
    assert (back.disabled, back.closed_at, back.deletes_at) == (False, None, None)
    town.clock.advance(31 * DAY)
    assert town.accounts.delete_due() == 0
    assert town.accounts.find(person.sub) == back


def test_who_does_not_come_back_is_deleted_when_it_is_due_and_not_before(town: Town) -> None:
    person = town.person()
    town.person("bob")
    close(town, person)
    town.clock.advance(30 * DAY - 1)
    assert town.accounts.delete_due() == 0
    town.clock.advance(1)
    assert town.accounts.delete_due() == 1
    assert town.accounts.find(person.sub) is None
    assert town.changes[-1] is Change.DELETED
    assert town.accounts.delete_due() == 0


def test_an_account_that_is_only_closed_stays(town: Town) -> None:
    person = town.person()
    close(town, person, deletes_in=None)
    town.clock.advance(3650 * DAY)
    assert town.accounts.delete_due() == 0


def test_who_was_disabled_by_an_operator_cannot_return_and_is_deleted_as_they_asked(town: Town) -> None:
    person = town.person()
    close(town, person)
    assert town.accounts.disable(person.sub).is_shut_out
    assert town.authenticate("alice", PASSWORD) is None
    town.clock.advance(30 * DAY)
    assert town.accounts.delete_due() == 1


def test_coming_back_while_the_deletion_is_due_ends_in_one_of_both(town: Town) -> None:
    for number in range(10):
        person = town.person(f"person-{number}")
        close(town, person)
        town.clock.advance(30 * DAY)
        with ThreadPoolExecutor(2) as pool:
            deleted = pool.submit(town.accounts.delete_due)
            back = pool.submit(town.accounts.reopen, person.sub, first=nothing)
        if back.exception() is None:
            assert deleted.result() == 0
            found = town.accounts.find(person.sub)
            assert found is not None and not found.disabled
        else:
            with pytest.raises(Refused):
                back.result()
            assert deleted.result() == 1
            assert town.accounts.find(person.sub) is None
