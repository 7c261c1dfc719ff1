"""The services and their identity provider, running in the ways of this room until it is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.resource_server.apis import Apis, Caller
from tests.resource_server.ways import Houses, houses, ways


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    """What has been started for this room."""
    with houses(tmp_path_factory) as opened:
        yield opened


@pytest.fixture(scope="package", params=ways("resource_server"))
def apis(request: pytest.FixtureRequest, running: Houses) -> Apis:
    """Everything running, each side on a database of its own."""
    return running.at(request.param, request)


@pytest.fixture(scope="package")
def somebody(apis: Apis) -> Caller:
    """A person with every scope."""
    return apis.person()


@pytest.fixture(scope="package")
def somebody_else(apis: Apis) -> Caller:
    return apis.person()


@pytest.fixture(scope="package")
def machine(apis: Apis) -> Caller:
    """A service with every scope."""
    return apis.machine()
