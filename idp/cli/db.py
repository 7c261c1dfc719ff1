"""`idp db`: migrations."""

from __future__ import annotations

import click

from idp.cli.base import Invocation, emit
from idp.errors import Refused
from idp.opening import open_database
from idp.platform import revision, schema


@click.group()
def db() -> None:
    """Migrations of the database."""


@db.command()
def upgrade() -> None:
    """Bring the schema to the newest version; safe to run on several nodes at once."""
    with open_database(click.get_current_context().ensure_object(Invocation).settings()) as database:
        schema.upgrade(database)
    emit({"pending": False}, "The schema is up to date")


@db.command()
def check() -> None:
    """Refuse (exit 1) when a migration is pending or the tables differ from the models."""
    with open_database(click.get_current_context().ensure_object(Invocation).settings()) as database:
        pending = revision.pending(database)
        drift = [] if pending else schema.drift(database)
    if pending:
        raise Refused("pending", "a migration is pending: run idp db upgrade")
    if drift:
        raise Refused("drift", "the tables differ from the models: " + "; ".join(drift))
    emit({"pending": False, "drift": []}, "The schema is up to date")
