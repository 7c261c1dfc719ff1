"""A service's schema brought up to date by Alembic, by one process at a time; loaded only where something is to be migrated."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from resource_server.platform.store import Store

_ENVIRONMENT = Path(__file__).with_name("migrations")
_LOCK = 0x1DA


def upgrade(store: Store) -> None:
    """Bring the schema to the newest version; of several processes at once one does it."""
    with store.change() as connection:
        if connection.dialect.name == "postgresql":
            _wait_for_our_turn(connection)
            schema = connection.dialect.identifier_preparer.quote(store.engine.get_execution_options()["rs_schema"])
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        command.upgrade(migrations(store, connection), "head")


def migrations(store: Store, connection: sa.Connection) -> Config:
    """Alembic's view of a service, within the transaction of `connection`."""
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(_ENVIRONMENT))
    config.set_main_option("version_locations", str(store.versions))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = store.metadata
    return config


def _wait_for_our_turn(connection: sa.Connection) -> None:
    """However long another process takes, and then as long as our own statements take: the limits of requests are none for a migration.

    Only for a table that is in use it waits as shortly as anybody, since all requests for that table wait behind it.
    """
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")
