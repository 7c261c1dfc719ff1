"""The database: one engine a process, short explicit transactions, the same SQL on SQLite and PostgreSQL.

Flask-SQLAlchemy configures and owns the engine; stores get a `Connection` from `read()` or `write()` and never hold one longer than a request.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase

from idp.errors import Unavailable
from setting_sources.databases import Leased

BUSY_TIMEOUT_MS = 5000
Waiting = AbstractContextManager[object]
"""What a thread is in while it waits for something outside of the process; it may be entered again and again (`idp.platform.turnstile`)."""
AnyRow = sa.Row[*tuple[Any, ...]]
_RETRYABLE_STATES = frozenset({"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03"})


class Model(DeclarativeBase):
    """The base of every table; migrations read its metadata."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """Reads and writes in explicit transactions; a database that is locked or away becomes `Unavailable`.

    With a `lease` the URL has no user and password; somebody calls its `keep` every second. A thread is within `waiting` while it waits: on SQLite
    for its turn and for the disk, on PostgreSQL for the whole transaction, since each statement goes to another process.
    """

    def __init__(
        self, app: Flask, url: str, *, pool_size: int = 16, lease: Leased | None = None, waiting: Waiting | None = None
    ) -> None:
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(url, pool_size)
        self.flask_sqlalchemy = SQLAlchemy(metadata=Model.metadata)
        self.flask_sqlalchemy.init_app(app)
        with app.app_context():
            self.engine: sa.Engine = self.flask_sqlalchemy.engine
        self.waiting = self._throughout = waiting or nullcontext()
        self._turn: AbstractContextManager[object] = nullcontext()
        self._sqlite = self.engine.dialect.name == "sqlite"
        if self._sqlite:
            sa.event.listen(self.engine.pool, "connect", _prepare_sqlite)
            self._turn, self._throughout = _Turn(self.waiting), nullcontext()
        self.lease = lease
        if lease is not None:
            lease.attach(self.engine)

    def close(self) -> None:
        """Let go of all connections, and of credentials that are leased."""
        self.engine.dispose()
        if self.lease is not None:
            self.lease.give_back()

    # SQLite's transactions begin here, not in a listener: an engine with listeners asks them at every statement.

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent read; nothing it does is kept."""
        with self._throughout, _as_unavailable(), self.engine.connect() as connection:
            if self._sqlite:
                _driver(connection).execute("BEGIN")
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """One transaction that commits when the block ends and rolls back when it raises.

        What is not `durable` survives the end of this process, but on SQLite the last moment of it not the end of the machine's power:
        for what a person simply starts again, and for counters.
        """
        with self._throughout, _as_unavailable(), self._turn, self.engine.connect() as connection:
            if self._sqlite:
                _begin_writing(_driver(connection), durable, self.waiting)
            with _Ending(connection.begin(), self.waiting):
                yield connection


def insert_or_ignore(tx: sa.Connection, table: type[Model], values: Mapping[str, Any]) -> bool:
    """Insert one row unless a unique key forbids it; says whether it did. The way to win a race once."""
    return tx.execute(_insert_or_ignore(tx.dialect.name, table), dict(values)).scalar() is not None


def insert_each_or_ignore(tx: sa.Connection, table: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, but for those a unique key forbids."""
    if rows:
        tx.execute(_insert_each_or_ignore(tx.dialect.name, table), [dict(row) for row in rows])


def upsert(tx: sa.Connection, table: type[Model], values: Mapping[str, Any], *, key: Sequence[str]) -> None:
    """Insert a row, or overwrite the other columns of the one with the same `key` columns."""
    changed = tuple(name for name in values if name not in key)
    tx.execute(_upsert(tx.dialect.name, table, tuple(key), changed), dict(values))


def _insert(dialect: str, table: type[Model]) -> Any:
    """The dialect's own INSERT; the module of the other dialect is not loaded, which would take a start 20 ms."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


@cache
def _insert_or_ignore(dialect: str, table: type[Model]) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing().returning(sa.literal(1))


@cache
def _insert_each_or_ignore(dialect: str, table: type[Model]) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def _upsert(dialect: str, table: type[Model], key: tuple[str, ...], changed: tuple[str, ...]) -> Any:
    insert = _insert(dialect, table)
    new = {name: insert.excluded[name] for name in changed}
    return insert.on_conflict_do_update(index_elements=list(key), set_=new)


class _Ending:
    """A transaction whose end, whichever it is, is waited for."""

    def __init__(self, transaction: sa.RootTransaction, waiting: Waiting) -> None:
        self._transaction = transaction
        self._waiting = waiting

    def __enter__(self) -> None:
        self._transaction.__enter__()

    def __exit__(self, *error: Any) -> None:
        with self._waiting:
            self._transaction.__exit__(*error)


class _Turn:
    """SQLite has one writer: this process's threads take turns here, so no thread waits in vain while others come and go."""

    def __init__(self, waiting: Waiting) -> None:
        self._lock = Lock()
        self._waiting = waiting

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False) and not self._awaited():
            raise Unavailable("database: writers queue up")

    def _awaited(self) -> bool:
        with self._waiting:
            return self._lock.acquire(timeout=BUSY_TIMEOUT_MS / 1000)

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("no database connection is free") from error
    except IntegrityError:
        raise
    except DBAPIError as error:
        if _is_temporary(error):
            raise Unavailable(f"database: {type(error.orig).__name__}") from error
        raise


def _is_temporary(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or state in _RETRYABLE_STATES:
        return True
    return isinstance(error, OperationalError)


def _engine_options(url: str, pool_size: int) -> dict[str, Any]:
    options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": 5}
    if url.startswith("sqlite"):
        options["pool_use_lifo"] = True  # the connection used last has the warmest page cache
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}
    else:
        options["pool_recycle"] = 1800
        options["connect_args"] = {
            "connect_timeout": 3,
            "options": "-c lock_timeout=5000 -c statement_timeout=15000",
        }
    return options


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """WAL, full durability, and no transaction but those we begin."""
    connection.isolation_level = None
    # Many first connections to a new file at once: SQLite itself does not wait for this one.
    _patiently(connection, "PRAGMA journal_mode=WAL", nullcontext())
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.dbapi_connection


def _begin_writing(driver: Any, durable: bool, waiting: Waiting) -> None:
    """BEGIN IMMEDIATE: a deferred transaction that turns to writing fails at once.

    Other processes are waited for in short random steps: SQLite's own grow to a tenth of a second.
    """
    driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    driver.execute("PRAGMA busy_timeout=0")
    try:
        _patiently(driver, "BEGIN IMMEDIATE", waiting)
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _patiently(driver: Any, statement: str, waiting: Waiting) -> None:
    """Run a statement once nobody is in its way."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            driver.execute(statement)
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"database: {error}") from error
            with waiting:
                time.sleep(random.uniform(0.00005, 0.0003))  # noqa: S311 - spreads retries, no secret
        else:
            return
