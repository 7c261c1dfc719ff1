"""Servers start once a run, a migrated database is copied for each test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.platform.db import Database
from idp.settings import Settings, load
from tests.support import databases, servers
from tests.support.clocks import ManualClock

pytest_plugins = ["tests.support.strict"]

_running = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """One PostgreSQL and one Redis for all workers: the controller starts them, the workers inherit their URLs."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    for variable, start in (("TEST_POSTGRES_URL", servers.postgres), ("TEST_REDIS_URL", servers.redis)):
        if variable not in os.environ:
            with contextlib.suppress(RuntimeError, OSError):
                os.environ[variable] = _running.enter_context(start())


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _running.close()


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of the maintenance database of a running PostgreSQL."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        pytest.skip("no PostgreSQL server")
    return url


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a running Redis."""
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        pytest.skip("no Redis server")
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.migrated_sqlite(tmp_path_factory.mktemp("template") / "template.sqlite3")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return databases.migrated_postgres(postgres_server, f"template_{worker}_{os.getpid()}")


@pytest.fixture(params=databases.KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield databases.sqlite_copy(request.getfixturevalue("sqlite_template"), tmp_path)
        return
    server = request.getfixturevalue("postgres_server")
    with databases.postgres_copy(server, request.getfixturevalue("postgres_template")) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh `Database` with all tables."""
    opened = databases.open_database(database_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Development settings whose files lie in the test's own folder."""
    return load({"IDP_DATA_DIR": str(tmp_path / "var"), "IDP_KEYS_DIR": str(tmp_path / "keys"), "IDP_BCRYPT_COST": "4"})
