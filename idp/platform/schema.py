"""The database schema: brought up to date by Alembic, by one node at a time.

The migrations import no models; models and migrations are compared by `check` and by a test.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from idp.platform.db import Database, Model

_LOCK = 0x1D9  # any number, the same on every node
_FOLDER = Path(__file__).with_name("migrations")


def upgrade(database: Database) -> None:
    """Bring the schema to the newest version; waits while another node does it."""
    with database.write() as tx:
        if tx.dialect.name == "postgresql":
            _wait_for_our_turn(tx)
        command.upgrade(_config(tx), "head")


def _wait_for_our_turn(tx: sa.Connection) -> None:
    """However long another node takes, and then as long as our own statements take: the limits of requests are none for a migration.

    Only for a table that is in use it waits as shortly as anybody, since all requests for that table wait behind it.
    """
    tx.exec_driver_sql("SET LOCAL statement_timeout = 0")
    tx.exec_driver_sql("SET LOCAL lock_timeout = 0")
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    tx.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision` (`base` for an empty database)."""
    with database.write() as tx:
        command.downgrade(_config(tx), revision)


def drift(database: Database) -> list[str]:
    """What differs between the tables in the database and the models; empty when nothing does."""
    with database.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, Model.metadata)]


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config
