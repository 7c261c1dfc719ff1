"""`idp receiver`: services that are told of changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from idp.cli.base import emit, table, with_house
from idp.platform.outbox import Receiver
from idp.wiring import House


@click.group()
def receiver() -> None:
    """Receivers of events (RFC 8935 push): create, list, delete."""


@receiver.command()
@click.argument("url")
@click.option("--events", required=True, help="which events, comma separated: user.*,status.*")
@click.option("--audience", required=True, help="the aud of the tokens it gets")
@with_house
def create(house: House, url: str, events: str, audience: str) -> None:
    """Register the receiver at URL; its snapshot token is printed this once."""
    made, token = house.receivers.create(
        url=url, events=[one.strip() for one in events.split(",") if one.strip()], audience=audience
    )
    document = {**_document(made), "token": token}
    emit(document, "\n".join(f"{name}: {value}" for name, value in document.items()))


@receiver.command("list")
@with_house
def list_(house: House) -> None:
    """Every receiver and how far it has been told."""
    found = house.receivers.list()
    rows = [(one.id, one.url, " ".join(one.events), one.position, one.last_error or "") for one in found]
    emit([_document(one) for one in found], table(rows, ("id", "url", "events", "position", "last error")))


@receiver.command()
@click.argument("identifier")
@with_house
def delete(house: House, identifier: str) -> None:
    """Tell a receiver nothing more."""
    house.receivers.delete(identifier)
    emit({"id": identifier, "deleted": True}, f"{identifier} is deleted")


def _document(one: Receiver) -> dict[str, Any]:
    return {**asdict(one), "events": list(one.events)}
