"""One PostgreSQL database for many tests: emptied between them, which takes a tenth of the time a copy does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from idp.platform.db import Model
from tests.support import databases


@pytest.fixture(scope="session")
def reused_postgres(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The URL of a migrated database that the tests of a process share, one after the other."""
    with databases.postgres_copy(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(params=databases.KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows: the test runs once on SQLite and once on PostgreSQL."""
    return empty_database(request, request.param)


def empty_database(request: pytest.FixtureRequest, kind: str) -> str:
    """The URL of a migrated database of this kind without rows."""
    if kind == "sqlite":
        return databases.sqlite_copy(request.getfixturevalue("sqlite_template"), request.getfixturevalue("tmp_path"))
    url: str = request.getfixturevalue("reused_postgres")
    _empty(url)
    return url


def _empty(url: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(";".join(f'DELETE FROM "{table}"' for table in Model.metadata.tables))
    engine.dispose()
