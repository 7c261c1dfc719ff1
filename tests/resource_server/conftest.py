"""The services and their identity provider, started once a run on SQLite and once on PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.resource_server.apis import Apis, Caller, open_apis
from tests.support import databases


@pytest.fixture(scope="session", params=databases.KINDS)
def apis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    """Everything running, each side on a database of its own."""
    with contextlib.ExitStack() as stack:
        urls: list[str | None] = [None, None]
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            urls = [stack.enter_context(databases.empty_postgres(server)) for _ in urls]
        yield stack.enter_context(open_apis(tmp_path_factory.mktemp("apis"), *urls))


@pytest.fixture(scope="session")
def somebody(apis: Apis) -> Caller:
    """A person with every scope."""
    return apis.person()


@pytest.fixture(scope="session")
def somebody_else(apis: Apis) -> Caller:
    return apis.person()


@pytest.fixture(scope="session")
def machine(apis: Apis) -> Caller:
    """A service with every scope."""
    return apis.machine()
