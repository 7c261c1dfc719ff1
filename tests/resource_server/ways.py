"""The ways in which the services run: as one process or each as its own, on which database, with which queue for their work.

A room of tests runs in two ways, which differ in processes and database; those of all rooms have every two choices together somewhere.
`make test-full` runs each room in every way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any

import pytest

from tests.orders.apart import open_apart
from tests.resource_server.apis import Apis, open_apis
from tests.support import databases, servers
from tests.support.full import FULL
from tests.support.rabbitmq import RabbitMq

PROCESSES = ("together", "apart")
QUEUES = ("db", "redis", "amqp")
_OPENED = {"together": open_apis, "apart": open_apart}


@dataclass(frozen=True, slots=True)
class Way:
    """How the services run."""

    processes: str
    database: str
    queue: str

    def __str__(self) -> str:
        return f"{self.processes}-{self.database}-{self.queue}"


EVERY = tuple(Way(*choices) for choices in product(PROCESSES, databases.KINDS, QUEUES))
ROOMS: Mapping[str, tuple[Way, Way]] = {
    "resource_server": (Way("together", "sqlite", "db"), Way("apart", "postgresql", "db")),
    "payments": (Way("together", "postgresql", "redis"), Way("apart", "sqlite", "redis")),
    "contracts": (Way("together", "sqlite", "db"), Way("apart", "postgresql", "redis")),
    "matrix": (Way("together", "sqlite", "amqp"), Way("apart", "postgresql", "amqp")),
}


def ways(room: str) -> list[Any]:
    """The parameters of a room's services: two ways, and where everything is run all of them."""
    others = [pytest.param(way, id=str(way), marks=pytest.mark.full) for way in EVERY if way not in ROOMS[room]]
    return [*(pytest.param(way, id=str(way)) for way in ROOMS[room]), *(others if FULL else ())]


@dataclass(frozen=True, slots=True)
class Houses:
    """What runs for a room: each way once, until the room is left, since to start takes longer than most tests."""

    stack: ExitStack
    folders: pytest.TempPathFactory
    settings: Mapping[str, str]
    opened: dict[Way, Apis] = field(default_factory=dict)

    def at(self, way: Way, request: pytest.FixtureRequest) -> Apis:
        """Everything running that way, each side on a database of its own."""
        if way not in self.opened:
            self.opened[way] = self._open(way, request)
        return self.opened[way]

    def _open(self, way: Way, request: pytest.FixtureRequest) -> Apis:
        urls: list[str | None] = [None, None]
        if way.database == "postgresql":
            server = request.getfixturevalue("postgres_server")
            urls = [self.stack.enter_context(databases.empty_postgres(server)) for _ in urls]
        settings = {**self.settings, "RS_QUEUE_URL": self.stack.enter_context(_broker(way.queue))}
        return self.stack.enter_context(_OPENED[way.processes](self.folders.mktemp("apis"), *urls, settings))


@contextmanager
def houses(folders: pytest.TempPathFactory, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Houses]:
    """Nothing runs yet; what was started ends with the room."""
    with ExitStack() as stack:
        yield Houses(stack, folders, settings)


@contextmanager
def _broker(queue: str) -> Iterator[str]:
    """A broker of this room's own, so that nobody else's work is in it. Without RabbitMQ there is the database in its place, and one skipped
    test says so."""
    if queue == "redis":
        with servers.redis() as url:
            yield url
    elif queue == "amqp" and RabbitMq.present():
        with RabbitMq() as broker:
            yield broker.url
    else:
        yield "db://"
