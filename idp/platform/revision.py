"""Which migration a database is at: asked at every start, so without loading what runs migrations."""

from __future__ import annotations

import sqlalchemy as sa

from idp.platform.db import Database

HEAD = "0024"
"""The newest migration this program brings."""
_VERSION = sa.table("alembic_version", sa.column("version_num"))


def pending(database: Database) -> bool:
    """Whether the database lacks a migration this program brings."""
    with database.read() as tx:
        if not sa.inspect(tx).has_table(_VERSION.name):
            return True
        return tx.execute(sa.select(_VERSION.c.version_num)).scalars().all() != [HEAD]
