"""The selection of ways that every run affords, and what of it this machine could not do."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.resource_server.ways import EVERY, PROCESSES, ROOMS, Way
from tests.support import databases
from tests.support.rabbitmq import RabbitMq


def pairs(*ways: Way) -> set[tuple[str, str]]:
    """Every two choices that are together in one of them."""
    return {pair for way in ways for pair in combinations((way.processes, way.database, way.queue), 2)}


def test_every_two_choices_meet_in_some_room() -> None:
    assert pairs(*(way for chosen in ROOMS.values() for way in chosen)) == pairs(*EVERY)


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_runs_as_one_process_and_as_several_and_on_both_databases(room: str) -> None:
    assert {way.processes for way in ROOMS[room]} == set(PROCESSES)
    assert {way.database for way in ROOMS[room]} == set(databases.KINDS)


def test_no_way_had_to_do_without_its_broker() -> None:
    if not RabbitMq.present():
        pytest.skip("no RabbitMQ server: what runs with amqp ran with the database as its queue")
