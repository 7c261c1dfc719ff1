"""kill -9 at every step that is named, and at moments nobody chose: nothing is lost, nothing is charged twice, nothing stays open.

Everything on every transport is `make test-full`; else each step dies once, the transports and databases in turn.
What came of it is printed: `pytest -s`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from resource_server.platform import schema
from tests.payments.chaos import Chaos, killed_at_random
from tests.resource_server.apis import simulator
from tests.support import databases, servers
from tests.support.rabbitmq import RabbitMq
from tests.support.stores import open_payments

WORKER_STEPS = (
    *("job.claimed", "charge.processing", "provider.calling", "provider.answered", "provider.querying"),
    *("provider.queried", "effect.before", "effect.taken", "effect.resumed", "effect.stepped", "effect.told"),
    *("effect.operation", "effect.before_commit", "effect.committed", "job.failed"),
    *("webhook.sending", "webhook.sent"),
)
RELAY_STEPS = ("relay.taken", "relay.announced")
EVERYWHERE = [(database, queue) for database in databases.KINDS for queue in ("db", "redis", "amqp")]
IN_TURN = [("sqlite", "db"), ("postgresql", "redis"), ("postgresql", "amqp")]
Place = tuple[str, str]


def run(place: Place, what: object, *, full: bool = False) -> ParameterSet:
    """A run at a place; `full` ones take minutes."""
    marks = [pytest.mark.full] if full else []
    return pytest.param(place, place[1], what, id="-".join((*place, *(["full"] if full else []))), marks=marks)


EACH_STEP_ONCE = [run(place, WORKER_STEPS[number :: len(IN_TURN)]) for number, place in enumerate(IN_TURN)]
EVERY_STEP = [run(place, WORKER_STEPS, full=True) for place in EVERYWHERE]
SHORT = [run(place, 6) for place in IN_TURN[:2]]
LONG = [run(place, 60, full=True) for place in EVERYWHERE]


@contextlib.contextmanager
def chaos_in(request: pytest.FixtureRequest, folder: Path, queue_url: str, database: str) -> Iterator[Chaos]:
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'payments.sqlite3'}"
        if database == "postgresql":
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(databases.empty_postgres(server))
        store = open_payments(url)
        schema.upgrade(store)
        stack.callback(store.engine.dispose)
        provider = simulator(folder, "http://127.0.0.1:9/none", latency="0.01", hang="0.8", late="0.3")
        chaos = Chaos(store, url, queue_url, stack.enter_context(provider), folder)
        stack.enter_context(chaos.receiver.open())
        yield chaos


@pytest.fixture
def queue_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A broker of this test's own, so that what others left there is nobody's concern."""
    match request.param:
        case "redis":
            with servers.redis() as url:
                yield url
        case "amqp":
            if not RabbitMq.present():
                pytest.skip("no RabbitMQ server")
            with RabbitMq() as broker:
                yield broker.url
        case _:
            yield "db://"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("place", "queue_url", "steps"), [*EACH_STEP_ONCE, *EVERY_STEP], indirect=["queue_url"])
def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, place: Place, queue_url: str, steps: tuple[str, ...]
) -> None:
    with chaos_in(request, tmp_path, queue_url, place[0]) as chaos:
        chaos.pay(6)
        for step in steps:
            chaos.until_dead(step)
        if place[1] != "db":
            with chaos.running("jobs"):
                for step in RELAY_STEPS:
                    chaos.until_dead(step, "relay")
        with chaos.running():
            chaos.settle()
        assert chaos.check() > 6


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("place", "queue_url", "seconds"), [*SHORT, *LONG], indirect=["queue_url"])
def test_kills_at_random_lose_and_double_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, place: Place, queue_url: str, seconds: float
) -> None:
    with chaos_in(request, tmp_path, queue_url, place[0]) as chaos:
        parts = ("all",) if place[1] == "db" else ("jobs", "relay")
        killed_at_random(chaos, parts, seconds, seed=20261125)
        assert chaos.deaths >= 2
        with chaos.running(*parts):
            chaos.settle()
        assert chaos.check() > 6


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["postgresql", pytest.param("sqlite", marks=pytest.mark.full)])
def test_a_broker_that_is_killed_and_wiped_loses_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    if not RabbitMq.present():
        pytest.skip("no RabbitMQ server")
    with RabbitMq() as broker, chaos_in(request, tmp_path, broker.url, database) as chaos, chaos.running():
        chaos.pay(12)
        broker.kill()
        chaos.pay(6)
        broker.wipe()
        broker.start()
        chaos.pay(6)
        chaos.settle()
        assert chaos.check() == 24
