"""The services' database: ORM sessions by Flask-SQLAlchemy, WAL and immediate write locks on SQLite, Alembic migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

_FOLDER = Path(__file__).with_name("migrations")
_LOCK = 0x1DA
_BUSY_MS = 5000


class Model(DeclarativeBase):
    """The base of every table; a service never imports another's models."""


class Store:
    """Flask-SQLAlchemy over one database. A request reads through `session`; changes are made in a `change()` block."""

    def __init__(self, app: Flask, url: str, *, pool_size: int) -> None:
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": 5}
        self.db = SQLAlchemy(metadata=Model.metadata)
        self.db.init_app(app)
        with app.app_context():
            self.engine: sa.Engine = self.db.engine
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine)

    @property
    def session(self) -> Any:
        """The session of this request (or application context)."""
        return self.db.session

    @contextmanager
    def change(self) -> Iterator[Any]:
        """One transaction that commits when the block ends and rolls back when it raises."""
        session = self.db.session
        session.rollback()  # a read before it must not keep an older view of the data
        session.connection(execution_options={"rs_write": True})
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise

    def insert_or_ignore(self, table: type[Model], values: dict[str, Any]) -> bool:
        """Insert one row unless a unique key forbids it; says whether it did."""
        insert = sqlite.insert if self.engine.dialect.name == "sqlite" else postgresql.insert
        statement = insert(table).values(**values).on_conflict_do_nothing().returning(sa.literal(1))
        return self.db.session.execute(statement).scalar() is not None

    def upgrade(self) -> None:
        """Bring the schema to the newest version; of several processes at once one does it."""
        with self.engine.execution_options(rs_write=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            config = Config()
            config.set_main_option("script_location", str(_FOLDER))
            config.attributes["connection"] = connection
            config.attributes["metadata"] = Model.metadata
            command.upgrade(config, "head")


def _prepare_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writing = connection.get_execution_options().get("rs_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
