"""The services beside their identity provider and payment provider, and the people who order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from resource_server.platform.store import Store
from tests.orders.apart import open_apart
from tests.payments.paying import Till
from tests.resource_server.apis import Apis, open_apis
from tests.support import databases
from tests.support.servers import another_redis
from tests.support.stores import Templates, open_orders

WAYS = [
    *("together-sqlite", "apart-postgresql"),
    *(pytest.param(way, marks=pytest.mark.full) for way in ("together-postgresql", "apart-sqlite")),
    *(pytest.param(f"{transport}-sqlite", marks=pytest.mark.full) for transport in ("grpc", "queue")),
]
"""Each way and each database are always there, each pair of them in `make test-full`."""


@pytest.fixture(scope="session", params=WAYS)
def apis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    """Everything running, the services in one process or each in its own, each side on a database of its own."""
    how, _, kind = request.param.partition("-")
    folder = tmp_path_factory.mktemp("apis")
    with contextlib.ExitStack() as stack:
        if how in {"grpc", "queue"}:
            broker = (
                {} if how == "grpc" else {"RS_MESSAGES_URL": another_redis(request.getfixturevalue("redis_url"), 1)}
            )
            over = {"payments": how, "orders": how, **({"users": how} if how == "grpc" else {})}
            yield stack.enter_context(open_apart(folder, None, None, broker, over=over))
            return
        urls: list[str | None] = [None, None]
        if kind == "postgresql":
            server = request.getfixturevalue("postgres_server")
            urls = [stack.enter_context(databases.empty_postgres(server)) for _ in urls]
        opened = open_apis if how == "together" else open_apart
        yield stack.enter_context(opened(folder, *urls))


@pytest.fixture(scope="session")
def till(apis: Apis) -> Till:
    """A customer, and staff of each role."""
    return Till(apis)


@pytest.fixture(params=databases.KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'orders.sqlite3'}"
        return
    with databases.empty_postgres(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def unmigrated(store_url: str) -> Iterator[Store]:
    """The orders service's own store, without a table in it."""
    opened = open_orders(store_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture(params=databases.KINDS)
def store(request: pytest.FixtureRequest, store_templates: Templates, tmp_path: Path) -> Iterator[Store]:
    """Another one, migrated."""
    with store_templates.store(request.param, open_orders, tmp_path) as opened:
        yield opened
