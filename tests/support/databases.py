"""A fresh database for each test: a copy of one that was migrated once."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from idp.platform.db import Database
from idp.platform.schema import upgrade

KINDS = ("sqlite", "postgresql")
WAITS_WITHIN = 60.0


def open_database(url: str) -> Database:
    """The production `Database` on this URL."""
    return Database(Flask("tests"), url, pool_size=64)


def migrate(url: str) -> None:
    """Bring the identity provider's database to the newest version; the last to close one of SQLite puts everything into its one file."""
    database = open_database(url)
    upgrade(database)
    database.engine.dispose()


def migrated_sqlite(path: Path) -> Path:
    """Makes the SQLite file that every SQLite test copies."""
    migrate(f"sqlite:///{path}")
    return path


def sqlite_copy(template: Path, folder: Path) -> str:
    """The URL of a new SQLite file with all tables."""
    copy = folder / f"{secrets.token_hex(4)}.sqlite3"
    shutil.copyfile(template, copy)
    return f"sqlite:///{copy}"


def migrated_postgres(server: str, name: str, migrated: Callable[[str], None] = migrate) -> str:
    """Makes the PostgreSQL database that every PostgreSQL test copies; returns its name."""
    _command(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    _command(server, f'CREATE DATABASE "{name}"')
    migrated(_named(server, name))
    return name


@contextmanager
def postgres_copy(server: str, template: str) -> Iterator[str]:
    """The URL of a new PostgreSQL database with all tables, dropped at the end."""
    name = f"t_{secrets.token_hex(6)}"
    _command(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    try:
        yield _named(server, name)
    finally:
        _command(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def empty_postgres(server: str) -> Iterator[str]:
    """The URL of a new PostgreSQL database without any table, dropped at the end."""
    with postgres_copy(server, "template0") as url:
        yield url


def until_somebody_waits(engine: sa.Engine, *, connections: int = 1) -> None:
    """Until so many connections to this PostgreSQL database wait for a lock.

    Each look is a transaction of its own: within one, PostgreSQL shows the connections there were at the first look.
    """
    waiting = sa.text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
    )
    deadline = time.monotonic() + WAITS_WITHIN
    with engine.connect() as connection:
        while connection.execute(waiting).scalar_one() < connections:
            connection.rollback()
            assert time.monotonic() < deadline, "nobody waits for a lock"
            time.sleep(0.02)


@contextmanager
def away(url: str) -> Iterator[None]:
    """While a PostgreSQL database lets nobody in and whoever was in was thrown out."""
    name, server = sa.make_url(url).database, _named(url, "postgres")
    _command(server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    try:
        _command(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        yield
    finally:
        _command(server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def _named(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def _command(server: str, statement: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
