"""The payments service's store as one in which work lies, and the brokers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resource_server.platform.store import Store
from tests.support import databases
from tests.support.rabbitmq import RabbitMq
from tests.support.stores import Templates, open_payments


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
def store(request: pytest.FixtureRequest, store_templates: Templates, tmp_path: Path) -> Iterator[Store]:
    """A fresh store, migrated."""
    with store_templates.store(request.param, open_payments, tmp_path) as opened:
        yield opened
