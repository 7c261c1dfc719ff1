"""Opening a house: its master key, its schema, its first signing keys, and what is refused when they do not belong together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from flask import Flask

from idp.errors import Refused
from idp.platform import revision
from idp.platform.db import Database, insert_or_ignore
from idp.platform.models import InstanceRow
from idp.platform.secrets import MasterKey, create_master_key, read_master_key
from idp.platform.telemetry import Metrics
from idp.settings import Settings
from idp.wiring import House, build
from setting_sources.databases import leased

ALWAYS_THERE = ("ES256", "RS256")
"""The algorithms there is always a signing key for."""
_CHECK_VALUE = "master-key-check"


@contextmanager
def open_house(settings: Settings, *, metrics: Metrics | None = None) -> Iterator[House]:
    """A built house over an initialized database; raises `Refused` when `idp init` has not run or the master key is another."""
    house = build(settings, master_key(settings), metrics=metrics)
    try:
        _check_database(house)
        yield house
    finally:
        house.database.close()


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The bare database, for migrations."""
    database = Database(Flask("idp.database"), settings.database, lease=leased(settings))
    try:
        yield database
    finally:
        database.close()


def master_key(settings: Settings) -> MasterKey:
    """The key from the settings or the keys directory; raises `Refused` when there is none."""
    if settings.master_key is not None:
        return MasterKey.parse(settings.master_key.get_secret_value())
    key = read_master_key(settings.keys_dir)
    if key is None:
        raise Refused("master_key", "there is no master key: run idp init, or set IDP_MASTER_KEY")
    return key


def initialize(settings: Settings) -> dict[str, Any]:
    """Data directory, master key, schema and first signing keys; safe to repeat and to run on several nodes at once."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    master = master_key(settings) if settings.master_key is not None else create_master_key(settings.keys_dir)
    with open_database(settings) as database:
        if revision.pending(database):
            from idp.platform.schema import upgrade  # noqa: PLC0415 - Alembic, for when there is something to migrate

            upgrade(database)
    house = build(settings, master)
    try:
        with house.database.write() as tx:
            insert_or_ignore(tx, InstanceRow, {"name": _CHECK_VALUE, "value": _check_value(master)})
        _check_database(house)
        house.keyring.ensure(*ALWAYS_THERE)
        keys = [record for record in house.keyring.list() if record.state == "active"]
    finally:
        house.database.close()
    return {"issuer": settings.issuer, "signing_keys": len(keys)}


def prepare(settings: Settings) -> None:
    """What `serve` does before it forks: in development all of `init`; in production the master key and the schema must be there."""
    if settings.env != "production":
        initialize(settings)
        return
    with open_house(settings) as house:
        house.keyring.ensure(*ALWAYS_THERE)


def _check_value(master: MasterKey) -> str:
    return master.tag("this database", purpose=_CHECK_VALUE)


def _check_database(house: House) -> None:
    if revision.pending(house.database):
        raise Refused("schema", "the database is not initialized or not up to date: run idp init or idp db upgrade")
    with house.database.read() as tx:
        query = sa.select(InstanceRow.value).where(InstanceRow.name == _CHECK_VALUE)
        value = tx.execute(query).scalar()
    if value is None:
        raise Refused("schema", "the database is not initialized: run idp init")
    if value != _check_value(house.master):
        raise Refused("master_key", "this database was made with another master key")
