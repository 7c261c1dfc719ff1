"""The services beside their identity provider and payment provider, and the people who work with payments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resource_server.platform.store import Store
from tests.payments.paying import Till
from tests.resource_server.apis import Apis
from tests.resource_server.ways import Houses, houses, ways
from tests.support import databases
from tests.support.stores import Templates, open_payments


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
def store_url(request: pytest.FixtureRequest, store_templates: Templates, tmp_path: Path) -> Iterator[str]:
    """The payments service's own database, migrated."""
    with store_templates.copy(request.param, open_payments, tmp_path) as url:
        yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """The same, open."""
    opened = open_payments(store_url)
    yield opened
    opened.engine.dispose()
