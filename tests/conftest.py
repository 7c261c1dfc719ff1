"""Servers start once a run, a migrated database is copied for each test."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from idp.platform.db import Database
from idp.settings import Settings
from idp.settings_source import load
from tests.support import databases, servers
from tests.support.clocks import ManualClock
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp

pytest_plugins = ["tests.support.shifts", "tests.support.stores", "tests.support.strict"]

# How long an example takes says how busy the machine is, and nothing about what is tested.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")

_running = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    """One PostgreSQL and one Redis for all workers: the controller starts them, the workers inherit their URLs."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    for variable, start in (("TEST_POSTGRES_URL", servers.postgres), ("TEST_REDIS_URL", servers.redis)):
        if variable not in os.environ:
            with contextlib.suppress(RuntimeError, OSError):
                os.environ[variable] = _running.enter_context(start())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes is no garbage and stays until the end: the collector never looks at it, which was a tenth of what tests cost."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    gc.freeze()  # pytest collects five times as it ends; it took so long that xdist interrupted its processes
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
    """The URL of a running Redis, with a database of this process alone."""
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        pytest.skip("no Redis server")
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return servers.redis_database(url, number)


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


API = "https://api.test"
SCOPES = ("read=Read things", "write=Write things")


@pytest.fixture(scope="session", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A running identity provider with one person, `alice`, and one API; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        folder = tmp_path_factory.mktemp("idp")
        running = stack.enter_context(RunningIdp(folder, url, login_max_failures_per_address="100000"))
        running.user("alice", "--email-verified", "--claim", "given_name=Alice", "--claim", "family_name=Example")
        options = [word for scope in SCOPES for word in ("--scope", scope)]
        running.cli("resource", "create", API, "--name", "The API", *options, "--claim", "roles")
        yield running


@pytest.fixture(scope="session")
def web_app(idp: RunningIdp) -> App:
    """A confidential web client of the default profile with refresh tokens."""
    return App(
        idp.url,
        idp.client(
            client_name="Web App",
            redirect_uris=["https://app.test/callback"],
            post_logout_redirect_uris=["https://app.test/bye"],
            grant_types=["authorization_code", "refresh_token"],
            audience=[API],
        ),
    )


@pytest.fixture(scope="session")
def service(idp: RunningIdp) -> App:
    """A service that may read the API and introspect its tokens."""
    return App(
        idp.url,
        idp.client(client_name="Service", grant_types=["client_credentials"], audience=[API], introspects=[API]),
    )


@pytest.fixture
def browser(idp: RunningIdp) -> Browser:
    """A fresh browser without cookies."""
    return Browser(idp.url)


@pytest.fixture
def person(idp: RunningIdp) -> str:
    """A person of this test's own, so that what happens to them disturbs nobody."""
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name, "--role", "reader")
    return name
