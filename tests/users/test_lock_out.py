"""Lock-out: so many wrong passwords an account, an address and a device, and no stranger can lock the owner out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import bcrypt
import pytest

from idp.errors import TooManyRequests
from idp.platform.throttle import DatabaseTallies, Throttle
from idp.users.login.chain import Attempt
from idp.users.login.guesses import Guesses
from idp.users.login.password import PasswordMethod
from tests.users.support import MASTER, PASSWORD, Town

WINDOW, LONGEST = 900, 3600
PER_ACCOUNT, PER_ADDRESS, PER_NETWORK = 3, 10, 16
HOME, STRANGER = "192.0.2.1", "198.51.100.7"


class Door:
    """The password method of one town; `knock` says whether somebody got in, or that they must wait."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.throttle = Throttle(DatabaseTallies(town.database), MASTER, town.clock, window=WINDOW, longest=LONGEST)
        guesses = Guesses(self.throttle, town.devices, PER_ACCOUNT, 5, PER_ADDRESS, PER_NETWORK)
        self.method = PasswordMethod(town.accounts, guesses)

    def knock(self, name: str, password: str = "wrong", *, peer: str = HOME, device: str | None = None) -> bool | str:
        try:
            proven = self.method.prove(Attempt({"username": name, "password": password}, device, peer))
        except TooManyRequests as error:
            assert 1 <= error.retry_after <= WINDOW
            return "wait"
        assert proven is None or proven.amr == ("pwd",)
        return proven is not None


@pytest.fixture
def door(town: Town) -> Door:
    town.person("alice")
    return Door(town)


def test_the_right_password_opens_by_name_and_by_address(door: Door) -> None:
    assert [door.knock(name, PASSWORD) for name in ("alice", "ALICE", "alice@example.com")] == [True] * 3


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_after_so_many_failures_an_account_waits_whether_it_exists_or_not(door: Door, name: str) -> None:
    assert [door.knock(name) for _ in range(5)] == [False, False, False, "wait", "wait"]
    assert door.knock(name, PASSWORD) == "wait", "the right password does not tell that it is right"
    assert door.knock(name, peer="203.0.113.9") == "wait", "from anywhere"


def test_name_and_address_of_a_person_are_one_account(door: Door) -> None:
    names = ("alice", "Alice@example.com", "ａｌｉｃｅ", "ALICE")
    assert [door.knock(name) for name in names] == [False, False, False, "wait"]
    assert [door.knock(name) for name in ("Nobody", "NOBODY", "nobody", "nobody")] == [False, False, False, "wait"]


def test_the_window_ends_and_waiting_attempts_do_not_prolong_it(door: Door) -> None:
    for _ in range(4):
        door.knock("alice")
    door.town.clock.advance(WINDOW - 1)
    assert door.knock("alice", PASSWORD) == "wait"
    door.town.clock.advance(1)
    assert door.knock("alice", PASSWORD) is True


def test_a_success_forgets_the_failures_before_it(door: Door) -> None:
    for _ in range(4):
        assert [door.knock("alice"), door.knock("alice"), door.knock("alice", PASSWORD)] == [False, False, True]


def test_an_address_may_fail_so_often_over_all_accounts(door: Door) -> None:
    outcomes = [door.knock(f"name {number}", peer=STRANGER) for number in range(PER_ADDRESS + 2)]
    assert outcomes == [False] * PER_ADDRESS + ["wait"] * 2
    assert door.knock("alice", PASSWORD, peer=STRANGER) == "wait"
    assert door.knock("alice", PASSWORD, peer=HOME) is True


def test_good_logins_of_many_people_do_not_use_up_an_address(door: Door) -> None:
    for _ in range(PER_ADDRESS * 2):
        assert door.knock("alice", PASSWORD) is True
    assert [door.knock(f"name {number}") for number in range(PER_ADDRESS)] == [False] * PER_ADDRESS


def test_a_good_login_does_not_wash_an_address_clean(door: Door) -> None:
    """Whoever has one account cannot guess at others for ever by logging in between."""
    outcomes = []
    for number in range(PER_ADDRESS + 1):
        outcomes.append(door.knock(f"name {number}", peer=STRANGER))
        if outcomes[-1] is False and number < PER_ADDRESS - 1:
            assert door.knock("alice", PASSWORD, peer=STRANGER) is True
    assert outcomes[-1] == "wait"


# -- devices ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(door: Door) -> str:
    """A browser in which Alice logged in before."""
    sub = door.town.accounts.sub_of("alice")
    assert sub is not None
    door.town.remember("her-device", sub)
    return "her-device"


def test_strangers_cannot_lock_the_owner_out_of_her_own_device(door: Door, own: str) -> None:
    for _ in range(PER_ADDRESS + 5):
        door.knock("alice", peer=STRANGER)
    assert door.knock("alice", peer=STRANGER) == "wait"
    assert door.knock("alice", PASSWORD, peer=STRANGER, device=own) is True


def test_a_known_device_has_a_count_of_its_own_and_no_more_than_that(door: Door, own: str) -> None:
    assert [door.knock("alice", device=own) for _ in range(4)] == [False, False, False, "wait"]
    assert door.knock("alice", PASSWORD, device=own) == "wait"
    assert door.knock("alice", PASSWORD) is True, "the account itself was not touched"


def test_a_device_helps_nobody_else(door: Door, own: str) -> None:
    door.town.person("bob")
    for _ in range(4):
        door.knock("bob", peer=STRANGER)
    assert door.knock("bob", PASSWORD, device=own) == "wait"
    assert door.knock("bob", PASSWORD, device="made up") == "wait"


# -- at once ----------------------------------------------------------------------------------------------------------


def test_guesses_at_once_do_not_outrun_the_limit(door: Door) -> None:
    with mock.patch.object(bcrypt, "checkpw", wraps=bcrypt.checkpw) as checked, ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: door.knock("alice", f"guess {number}"), range(30)))
    assert (outcomes.count(False), checked.call_count) == (PER_ACCOUNT, PER_ACCOUNT)


@pytest.mark.parametrize("name", ["", "x" * 255])
def test_a_name_that_can_be_nobodys_costs_nothing_and_counts_nothing(door: Door, name: str) -> None:
    assert [door.knock(name) for _ in range(20)] == [False] * 20
    assert [door.knock("alice", "") for _ in range(20)] == [False] * 20
    assert door.knock("alice", PASSWORD) is True


def test_neither_names_nor_addresses_are_stored_where_failures_are_counted(door: Door) -> None:
    door.knock("alice", peer=STRANGER)
    with door.town.database.read() as tx:
        dump = str(tx.exec_driver_sql("SELECT * FROM throttles").all())
    assert dump != "[]"
    assert "alice" not in dump
    assert STRANGER not in dump
