"""The schema of each service: up, down, as its models say, and with what was there before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from flask import Flask

from resource_server.orders import service as orders
from resource_server.payments import service as payments
from resource_server.platform import schema
from resource_server.platform.store import Store, open_engines
from resource_server.users import service as users
from resource_server.users.copy import PEOPLE
from tests.support import databases

OPENED = {"users": users.open_store, "orders": orders.open_store, "payments": payments.open_store}
ADA = {"sub": "s1", "version": 3, "gone": False, "facts": {"sub": "s1", "email": "Ada@Example.com"}}


@pytest.fixture(params=databases.KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'service.sqlite3'}"
        return
    with databases.empty_postgres(request.getfixturevalue("postgres_server")) as created:
        yield created


def opened(service: str, url: str) -> Store:
    return OPENED[service](open_engines(Flask("tests"), {service: url}, pool_size=2)[service])


@pytest.mark.parametrize("service", OPENED)
def test_migrations_make_what_the_models_say_and_take_it_back(url: str, service: str) -> None:
    store = opened(service, url)
    schema.upgrade(store)
    with store.change() as tx:
        command.check(schema.migrations(store, tx))
        command.downgrade(schema.migrations(store, tx), "base")
        assert set(sa.inspect(tx).get_table_names()) <= {"alembic_version"}
    store.engine.dispose()


def test_people_who_were_there_before_are_found_by_their_address(url: str) -> None:
    store = opened("users", url)
    with store.change() as tx:
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS users")
        command.upgrade(schema.migrations(store, tx), "0001")
        tx.execute(sa.insert(sa.Table("user_copies", sa.MetaData(), autoload_with=tx)).values(**ADA))
    schema.upgrade(store)
    with store.read() as tx:
        found = tx.execute(PEOPLE.where(sa.text("email_key = 'ada@example.com'"))).one()
    assert (found.sub, found.version, found.changes) == ("s1", 3, None)
    store.engine.dispose()
