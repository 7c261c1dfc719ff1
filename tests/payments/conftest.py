"""The services beside their identity provider and payment provider, and the people who work with payments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from resource_server.payments.service import open_store
from resource_server.platform import schema
from resource_server.platform.store import Store, open_engines
from tests.payments.paying import Till
from tests.resource_server.apis import Apis
from tests.resource_server.ways import Houses, houses, ways
from tests.support import databases


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    """What has been started for this room."""
    settings = {"RS_WEBHOOK_RETRIES": "0.05,0.05,0.05", "RS_AUTHORIZATION_TTL": "600"}
    with houses(tmp_path_factory, settings) as opened:
        yield opened


@pytest.fixture(scope="package", params=ways("payments"))
def apis(request: pytest.FixtureRequest, running: Houses) -> Apis:
    """Everything running, each side on a database of its own."""
    return running.at(request.param, request)


@pytest.fixture(scope="package")
def till(apis: Apis) -> Till:
    """A customer, and staff of each role."""
    return Till(apis)


@pytest.fixture(params=databases.KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'payments.sqlite3'}"
        return
    with databases.empty_postgres(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """The payments service's own store, migrated."""
    opened = open_payments(store_url)
    schema.upgrade(opened)
    yield opened
    opened.engine.dispose()


def open_payments(url: str) -> Store:
    return open_store(open_engines(Flask("tests"), {"payments": url}, pool_size=32)["payments"])
