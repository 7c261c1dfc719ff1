"""The payments service's store as one in which work lies, and the brokers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_server.platform import schema
from resource_server.platform.store import Store
from tests.payments.conftest import open_payments
from tests.support import databases
from tests.support.rabbitmq import RabbitMq


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMq]:
    """A running RabbitMQ."""
    if not RabbitMq.present():
        pytest.skip("no RabbitMQ server")
    with RabbitMq() as broker:
        yield broker


@pytest.fixture(params=["db", "redis", "amqp"])
def queue_url(request: pytest.FixtureRequest) -> str:
    """Each transport in turn."""
    match request.param:
        case "redis":
            return str(request.getfixturevalue("redis_url"))
        case "amqp":
            return str(request.getfixturevalue("rabbitmq").url)
        case _:
            return "db://"


@pytest.fixture(params=databases.KINDS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A fresh store, migrated."""
    if request.param == "sqlite":
        opened = open_payments(f"sqlite:///{tmp_path_factory.mktemp('work') / 'work.sqlite3'}")
        schema.upgrade(opened)
        yield opened
        opened.engine.dispose()
        return
    with databases.empty_postgres(request.getfixturevalue("postgres_server")) as url:
        opened = open_payments(url)
        schema.upgrade(opened)
        yield opened
        opened.engine.dispose()
