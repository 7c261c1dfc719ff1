"""The services' stores: each test has a copy of one that was migrated once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from resource_server.orders import service as orders
from resource_server.payments import service as payments
from resource_server.platform import schema
from resource_server.platform.store import Store, open_engines
from tests.support import databases


def open_orders(url: str) -> Store:
    return orders.open_store(open_engines(Flask("tests"), {"orders": url}, pool_size=32)["orders"])


def open_payments(url: str) -> Store:
    return payments.open_store(open_engines(Flask("tests"), {"payments": url}, pool_size=32)["payments"])


class Templates:
    """Makes a migrated database of each kind when one is first asked for."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request = request
        self._folder = folder
        self._names = dict[Callable[[str], Store], str]()

    @contextmanager
    def copy(self, kind: str, opened: Callable[[str], Store], folder: Path) -> Iterator[str]:
        """The URL of a new database in which everything of this service's is; one of SQLite lies in `folder`."""
        if kind == "sqlite":
            template = self._folder / f"{opened.__name__}.sqlite3"
            if not template.exists():
                _migrate(opened, f"sqlite:///{template}")
            yield databases.sqlite_copy(template, folder)
            return
        server = self._request.getfixturevalue("postgres_server")
        if opened not in self._names:
            name = f"{opened.__name__}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
            self._names[opened] = databases.migrated_postgres(server, name, partial(_migrate, opened))
        with databases.postgres_copy(server, self._names[opened]) as url:
            yield url

    @contextmanager
    def store(self, kind: str, opened: Callable[[str], Store], folder: Path) -> Iterator[Store]:
        """The same, open."""
        with self.copy(kind, opened, folder) as url:
            store = opened(url)
            yield store
            store.engine.dispose()


def _migrate(opened: Callable[[str], Store], url: str) -> None:
    store = opened(url)
    schema.upgrade(store)
    store.engine.dispose()  # the last to close a SQLite database puts everything into its one file


@pytest.fixture(scope="session")
def store_templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """One for all tests of a process."""
    return Templates(request, tmp_path_factory.mktemp("stores"))
