"""The schemas of both programs: up, down and up again, and never another than the models say."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy.exc import DBAPIError

from idp.errors import Unavailable
from idp.platform import revision, schema
from idp.platform.db import Database
from idp.platform.db import Model as IdpModel
from resource_server.orders import service as orders
from resource_server.payments import service as payments
from resource_server.platform import schema as platform_schema
from resource_server.platform.store import Store, open_engines
from resource_server.users import service as users
from tests.support import databases
from tests.support.running import clean_environment

VERSION = "alembic_version"


@pytest.fixture(params=databases.KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    with contextlib.ExitStack() as stack:
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            yield stack.enter_context(databases.empty_postgres(server))
        else:
            yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    with databases.empty_postgres(postgres_server) as url:
        yield url


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    opened = databases.open_database(empty_url)
    yield opened
    opened.engine.dispose()


def tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


# -- the identity provider --------------------------------------------------------------------------------------------


def test_up_makes_every_table_of_the_models_as_they_are(empty: Database) -> None:
    assert revision.pending(empty)
    schema.upgrade(empty)
    assert not revision.pending(empty)
    assert tables(empty.engine) == {*IdpModel.metadata.tables, VERSION}
    assert schema.drift(empty) == []


def test_up_down_and_up_again(empty: Database) -> None:
    schema.upgrade(empty)
    schema.downgrade(empty, "base")
    assert tables(empty.engine) <= {VERSION}
    assert revision.pending(empty)
    schema.upgrade(empty)
    assert schema.drift(empty) == []
    schema.upgrade(empty)
    assert not revision.pending(empty)


def test_drift_is_seen(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.write() as tx:
        tx.exec_driver_sql("ALTER TABLE users ADD COLUMN surprise INTEGER")
        tx.exec_driver_sql("DROP TABLE devices")
    told = " ".join(schema.drift(empty))
    assert "surprise" in told
    assert "devices" in told


def test_several_nodes_at_once_make_one_schema(empty_url: str) -> None:
    opened = [databases.open_database(empty_url) for _ in range(4)]
    with ThreadPoolExecutor(len(opened)) as pool:
        list(pool.map(schema.upgrade, opened))
    assert schema.drift(opened[0]) == []
    for database in opened:
        database.engine.dispose()


def test_a_node_waits_longer_for_another_than_a_request_would_wait_for_a_row(postgres_url: str) -> None:
    database = databases.open_database(postgres_url)
    hurry(database.engine)
    held_up(database.engine, schema._LOCK, lambda: schema.upgrade(database))
    assert schema.drift(database) == []
    database.engine.dispose()


def hurry(engine: sa.Engine) -> None:
    """Let requests on this engine wait for a moment only."""
    sa.event.listen(engine, "connect", lambda connection, _record: connection.execute("SET lock_timeout = 50"))
    sa.event.listen(engine, "connect", lambda connection, _record: connection.commit())


def held_up(engine: sa.Engine, lock: int, upgrade: Callable[[], None]) -> None:
    """Upgrade while another holds the lock, for several times as long as a request would wait."""
    with ThreadPoolExecutor(1) as pool, engine.connect() as other:
        with other.begin():
            other.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
            upgrading = pool.submit(upgrade)
            waiting = sa.text(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND NOT granted"
            )
            while not other.execute(waiting, {"lock": lock}).scalar():
                assert not upgrading.done()
            other.exec_driver_sql("SELECT pg_sleep(0.5)")
        upgrading.result(60)


def test_an_upgrade_that_fails_leaves_nothing_behind(empty: Database) -> None:
    with empty.write() as tx:
        tx.exec_driver_sql("CREATE TABLE users (sub INTEGER)")
    with pytest.raises((DBAPIError, Unavailable)):
        schema.upgrade(empty)
    assert tables(empty.engine) == {"users"}
    assert revision.pending(empty)


def test_a_database_of_a_newer_program_is_not_taken_for_ours(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.write() as tx:
        tx.exec_driver_sql(f"UPDATE {VERSION} SET version_num = '9999'")
    assert revision.pending(empty)


def test_the_head_that_is_asked_for_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_heads() == [revision.HEAD]


# -- the resource server ----------------------------------------------------------------------------------------------


@pytest.fixture(params=[users, orders, payments], ids=["users", "orders", "payments"])
def store(request: pytest.FixtureRequest, empty_url: str) -> Iterator[Store]:
    """The empty store of one service."""
    made = opened(request.param, empty_url)
    yield made
    made.engine.dispose()


def opened(service: ModuleType, url: str) -> Store:
    app, name = Flask("tests"), service.NAME
    made: Store = service.open_store(open_engines(app, {name: url}, pool_size=4)[name])
    return made


def drift(store: Store) -> list[object]:
    with store.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        return list(compare_metadata(context, store.metadata))


def test_a_service_has_every_table_of_its_models(store: Store) -> None:
    platform_schema.upgrade(store)
    platform_schema.upgrade(store)
    assert tables(store.engine) == {*store.metadata.tables, VERSION}
    assert drift(store) == []


def test_a_service_knows_whether_it_is_at_the_newest_migration(store: Store) -> None:
    assert not store.is_newest()
    platform_schema.upgrade(store)
    assert store.is_newest()
    with store.change() as tx:
        (head,) = ScriptDirectory.from_config(platform_schema.migrations(store, tx)).get_heads()
        assert tx.exec_driver_sql(f"SELECT version_num FROM {VERSION}").scalar() == head
        command.downgrade(platform_schema.migrations(store, tx), "-1")
    assert not store.is_newest()


def test_a_service_that_is_at_the_newest_migration_starts_without_alembic(tmp_path: Path) -> None:
    """It takes a seventh of the time that loading takes."""
    environ = {**clean_environment(), "RS_DATA_DIR": str(tmp_path)}
    assert "alembic" in loaded_by_an_upgrade(environ)
    assert "alembic" not in loaded_by_an_upgrade(environ)


def loaded_by_an_upgrade(environ: Mapping[str, str]) -> set[str]:
    """Which modules a process has loaded that brought the schemas to the newest version."""
    program = "import sys; from resource_server.cli import run; run(['db', 'upgrade']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_service_goes_up_down_and_up_again(store: Store) -> None:
    platform_schema.upgrade(store)
    with store.change() as tx:
        command.downgrade(platform_schema.migrations(store, tx), "base")
    assert tables(store.engine) <= {VERSION}
    platform_schema.upgrade(store)
    assert drift(store) == []


def test_a_process_of_a_service_waits_longer_for_another_than_a_request_would(postgres_url: str) -> None:
    store = opened(orders, postgres_url)
    hurry(store.engine)
    held_up(store.engine, platform_schema._LOCK, lambda: platform_schema.upgrade(store))
    assert drift(store) == []
    store.engine.dispose()


def test_services_on_one_server_share_no_table(postgres_url: str) -> None:
    stores = [opened(service, postgres_url) for service in (users, orders, payments)]
    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(platform_schema.upgrade, stores))
    for store in stores:
        assert tables(store.engine) == {*store.metadata.tables, VERSION}
        assert drift(store) == []
        store.engine.dispose()
