"""`idp client`: the apps and services that use us, as RFC 7591 metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from idp.cli.base import emit, read_json, table, with_house
from idp.cli.registration_token import registration_token
from idp.wiring import House


@click.group()
def client() -> None:
    """Clients: create, list, show, change, rotate the secret, disable, delete."""


client.add_command(registration_token)


@client.command()
@click.option("--file", "file", required=True, help="a file of RFC 7591 client metadata; - for standard input")
@with_house
def create(house: House, file: str) -> None:
    """Register a client; the secret is printed this once."""
    _show(house.clients.create(read_json(file)))


@client.command("list")
@with_house
def list_(house: House) -> None:
    """Every client."""
    clients = house.clients.list()
    rows = [
        (one["client_id"], one.get("client_name", ""), one["security_profile"], "disabled" if one["disabled"] else "")
        for one in clients
    ]
    emit(clients, table(rows, ("client_id", "name", "profile", "")))


@client.command()
@click.argument("client_id")
@with_house
def show(house: House, client_id: str) -> None:
    """One client, without its secret."""
    _show(house.clients.show(client_id))


@client.command()
@click.argument("client_id")
@click.option("--file", "file", required=True, help="a JSON merge patch; - for standard input")
@with_house
def update(house: House, client_id: str, file: str) -> None:
    """Change a client; null removes a member."""
    _show(house.clients.update(client_id, read_json(file)))


@client.command("rotate-secret")
@click.argument("client_id")
@click.option("--grace", type=click.IntRange(0, 30 * 86400), default=0, help="seconds the old secret is still accepted")
@with_house
def rotate_secret(house: House, client_id: str, grace: int) -> None:
    """Give a client a new secret, printed this once."""
    _show(house.clients.rotate_secret(client_id, grace=grace))


@client.command()
@click.argument("client_id")
@with_house
def disable(house: House, client_id: str) -> None:
    """Refuse everything a client asks; its tokens end at once."""
    _show(house.clients.disable(client_id))


@client.command()
@click.argument("client_id")
@with_house
def enable(house: House, client_id: str) -> None:
    """Serve a disabled client again."""
    _show(house.clients.enable(client_id))


@client.command()
@click.argument("client_id")
@with_house
def delete(house: House, client_id: str) -> None:
    """Forget a client and end its tokens."""
    house.clients.delete(client_id)
    emit({"client_id": client_id, "deleted": True}, f"{client_id} is deleted")


def _show(document: Mapping[str, Any]) -> None:
    emit(document, json.dumps(document, indent=2, ensure_ascii=False))
