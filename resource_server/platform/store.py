"""A service's own database: short explicit transactions, the same SQL on SQLite and PostgreSQL, Alembic migrations.

Flask-SQLAlchemy configures and owns the engines, one a service; stores hand out a `Connection` and never hold one longer than a request.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase

from resource_server.platform import deadlines
from resource_server.platform.pools import Pool, RemotePool

_VERSION = sa.table("alembic_version", sa.column("version_num"))
_BUSY_MS, _STATEMENT_MS, _CONNECT_SECONDS = 5000, 15_000, 3
_INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
Row = sa.Row[*tuple[Any, ...]]


class Busy(Exception):
    """The database has no room for this now; the same a moment later may pass."""


class Store:
    """The tables of `base` in a database of their own; `versions` is the folder of their migrations."""

    def __init__(self, engine: sa.Engine, base: type[DeclarativeBase], versions: Path) -> None:
        self.engine = engine
        self.metadata = base.metadata
        self.versions = versions
        self._sqlite = engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[object] = _Turn() if self._sqlite else nullcontext()

    @contextmanager
    def read(self, within: sa.Connection | None = None) -> Iterator[sa.Connection]:
        """A read, or a part of one that is under way; nothing it does is kept. It takes no longer than the caller waits."""
        if within is not None:
            yield within
            return
        with self._reading() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A read in which all statements see the database as of the first of them."""
        with self._reading(isolation_level="REPEATABLE READ") as connection:
            yield connection

    @contextmanager
    def _reading(self, **options: Any) -> Iterator[sa.Connection]:
        """SQLite needs no options: what it reads is always as of the first statement."""
        with self.engine.connect() as connection:
            deadlines.check()
            if self._sqlite:
                _driver(connection).execute("BEGIN")
            else:
                connection.execution_options(**options)
                _hurry(connection)
            yield connection

    @contextmanager
    def change(self) -> Iterator[sa.Connection]:
        """One transaction that commits when the block ends and rolls back when it raises, or when nobody waits for it any more."""
        with self._turn, self.engine.connect() as connection:
            if self._sqlite:
                _begin_writing(_driver(connection))
            with connection.begin():
                if not self._sqlite:
                    _hurry(connection)
                yield connection
                deadlines.check()

    def is_newest(self) -> bool:
        """Whether the schema is at the newest migration there is, without loading what runs migrations."""
        newest = max(path.name[:4] for path in self.versions.glob("[0-9][0-9][0-9][0-9]_*.py"))
        schema = None if self._sqlite else self.engine.get_execution_options()["rs_schema"]
        with self.read() as tx:
            if not sa.inspect(tx).has_table(_VERSION.name, schema):
                return False
            return tx.execute(sa.select(_VERSION.c.version_num)).scalars().all() == [newest]


def open_engines(app: Flask, urls: Mapping[str, str], *, pool_size: int) -> dict[str, sa.Engine]:
    """An engine for each name; on PostgreSQL the name is the schema its tables lie in, so services may share a server and nothing else."""
    app.config["SQLALCHEMY_BINDS"] = {name: _options(name, url, pool_size) for name, url in urls.items()}
    owner = SQLAlchemy()
    owner.init_app(app)
    with app.app_context():
        engines = {name: owner.engines[name] for name in urls}
    for name, engine in engines.items():
        engine.update_execution_options(rs_schema=name)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine.pool, "connect", _prepare_sqlite)
    return engines


def insert_or_ignore(tx: sa.Connection, table: type[DeclarativeBase], values: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique key forbids it; says whether it did. The way to win a race once."""
    return tx.execute(_insert_or_ignore(tx.dialect.name, table), dict(values)).scalar() is not None


@cache
def _insert_or_ignore(dialect: str, table: type[DeclarativeBase]) -> Any:
    return _INSERTS[dialect](table).on_conflict_do_nothing().returning(sa.literal(1))


def insert_or_add(tx: sa.Connection, table: type[DeclarativeBase], values: Mapping[str, Any], *, to: str) -> None:
    """Insert one row or, where there is one of its key, add the number in column `to` to that one's."""
    tx.execute(_insert_or_add(tx.dialect.name, table, to), dict(values))


@cache
def _insert_or_add(dialect: str, table: type[DeclarativeBase], to: str) -> Any:
    inserting = _INSERTS[dialect](table)
    key = [column.name for column in sa.inspect(table).primary_key]
    return inserting.on_conflict_do_update(
        index_elements=key, set_={to: getattr(table, to) + getattr(inserting.excluded, to)}
    )


class _Turn:
    """SQLite has one writer: this process's threads take turns here, so no thread waits in vain while others come and go."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=deadlines.left(_BUSY_MS / 1000)):
            raise Busy("writers queue up")

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


def _options(name: str, url: str, pool_size: int) -> dict[str, Any]:
    options: dict[str, Any] = {"url": url, "pool_size": pool_size, "max_overflow": 0, "pool_timeout": 5}
    if url.startswith("sqlite"):
        options["poolclass"] = Pool
        options["connect_args"] = {"timeout": _BUSY_MS / 1000, "check_same_thread": False}
    else:
        options["poolclass"] = RemotePool
        options["pool_recycle"] = 1800
        options["connect_args"] = {
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c search_path={name} -c lock_timeout={_BUSY_MS} -c statement_timeout={_STATEMENT_MS}",
        }
    return options


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """WAL, full durability, and no transaction but those we begin."""
    connection.isolation_level = None
    _patiently(connection, "PRAGMA journal_mode=WAL")  # SQLite itself does not wait for this one
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.dbapi_connection


def _hurry(connection: sa.Connection) -> None:
    """Have PostgreSQL end each statement of this transaction when nobody waits for it any more."""
    if deadlines.given():
        milliseconds = int(deadlines.left(_STATEMENT_MS / 1000) * 1000) + 1
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")


def _begin_writing(driver: Any) -> None:
    if not deadlines.given():
        _patiently(driver, "BEGIN IMMEDIATE")
        return
    driver.execute("PRAGMA busy_timeout=0")  # SQLite's own patience knows no caller's
    try:
        _patiently(driver, "BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout={_BUSY_MS}")


def _patiently(driver: Any, statement: str) -> None:
    """Run a statement once nobody is in its way; other processes are waited for in short random steps."""
    deadline = time.monotonic() + deadlines.left(_BUSY_MS / 1000)
    while True:
        try:
            driver.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise OperationalError(statement, {}, error) from error
            if time.monotonic() > deadline:
                raise Busy(str(error)) from error
            time.sleep(random.uniform(0.0001, 0.001))  # noqa: S311 - spreads retries, no secret
        else:
            return
