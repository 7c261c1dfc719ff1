"""`idp client registration-token`: who may register clients where `IDP_REGISTRATION=token`."""

from __future__ import annotations

import time

import click

from idp.cli.base import emit, table, with_house
from idp.wiring import House


@click.group("registration-token")
def registration_token() -> None:
    """Tokens that let somebody register clients (RFC 7591 initial access tokens): create, list, delete."""


@registration_token.command()
@click.option("--name", default="", help="whom it is for")
@click.option(
    "--uses", type=click.IntRange(1), help="how many clients may be registered with it; no limit when left out"
)
@click.option("--ttl", type=click.IntRange(1), help="seconds it lives; without end when left out")
@with_house
def create(house: House, name: str, uses: int | None, ttl: int | None) -> None:
    """Make a token; it is printed this once."""
    made, token = house.registration_tokens.create(name=name, uses=uses, ttl=ttl)
    emit({**made.document(), "token": token}, token)


@registration_token.command("list")
@with_house
def list_(house: House) -> None:
    """Every token, without what opens."""
    found = house.registration_tokens.list()
    rows = [
        (one.id, one.name, "any" if one.uses_left is None else one.uses_left, _day(one.expires_at)) for one in found
    ]
    emit([one.document() for one in found], table(rows, ("id", "name", "uses left", "until")))


@registration_token.command()
@click.argument("identifier")
@with_house
def delete(house: House, identifier: str) -> None:
    """Let nobody register with it any more; clients that were registered stay."""
    house.registration_tokens.delete(identifier)
    emit({"id": identifier, "deleted": True}, f"{identifier} is deleted")


def _day(at: int | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))
