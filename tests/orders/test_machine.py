"""The order machine: whatever is tried in whatever order, on real stores, an order takes only the steps there are, and its history tells them all."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resource_server.orders import book, machine
from resource_server.orders.book import Book, Changed
from resource_server.orders.machine import STEPS, IllegalStep, Status
from resource_server.platform.store import Row, Store

CONTENT = {"lines": [{"sku": "A", "quantity": 1, "unit_price": 5}], "currency": "EUR", "total": 5}
AMEND = "amend"
ATTEMPTS = st.lists(st.sampled_from([*Status, AMEND]), max_size=12)


def new(store: Store) -> Row:
    with store.change() as tx:
        return Book().add(tx, "somebody", "an app", CONTENT)


def attempt(store: Store, order: Row, what: str) -> Row:
    """One attempt, and the order after it."""
    with store.change() as tx:
        if what == AMEND:
            return Book().amend(tx, order, CONTENT)
        return Book().take(tx, order, Status(what))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attempts=ATTEMPTS)
def test_only_the_steps_of_the_table_are_taken_and_all_of_them_are_told(store: Store, attempts: list[str]) -> None:
    order, expected, version = new(store), [Status.DRAFT], 1
    for what in attempts:
        legal = what == AMEND or Status(what) in STEPS[Status(order.status)]
        if not legal:
            with pytest.raises(IllegalStep):
                attempt(store, order, what)
            continue
        order, version = attempt(store, order, what), version + 1
        expected += [] if what == AMEND else [Status(what)]
    with store.read() as tx:
        kept, told = book.find(tx, order.id), book.transitions(tx, order.id)
    assert kept == order
    assert (order.status, order.version) == (expected[-1], version)
    assert [step.after for step in told] == expected
    assert [step.before for step in told] == [None, *expected[:-1]]


def test_every_status_is_reached_and_two_are_the_end() -> None:
    reached, frontier = {Status.DRAFT}, [Status.DRAFT]
    while frontier:
        new_ones = STEPS[frontier.pop()] - reached
        reached |= new_ones
        frontier += new_ones
    assert reached == set(Status) == set(STEPS)
    assert {status for status, after in STEPS.items() if not after} == {Status.FULFILLED, Status.CANCELED}
    assert set(Status) - {Status.FULFILLED, Status.CANCELED} == machine.CANCELABLE


def test_a_step_from_what_is_not_so_any_more_is_refused(store: Store) -> None:
    order = new(store)
    attempt(store, order, AMEND)
    for what in (AMEND, Status.AWAITING_PAYMENT):
        with pytest.raises(Changed):
            attempt(store, order, what)


def test_of_many_who_take_a_step_at_once_one_does(store: Store) -> None:
    order, start, won = new(store), Barrier(6), list[Status]()

    def race(status: Status) -> None:
        start.wait()
        try:
            attempt(store, order, status)
            won.append(status)
        except Changed:
            pass

    threads = [Thread(target=race, args=(status,)) for status in (Status.AWAITING_PAYMENT, Status.CANCELED) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with store.read() as tx:
        assert [step.after for step in book.transitions(tx, order.id)] == [Status.DRAFT, *won]
