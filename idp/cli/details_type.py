"""`idp details-type`: the types of authorization details that clients may ask for (RFC 9396)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from idp.assembly.details import details_type_admin
from idp.cli.base import emit, read_json, table, with_house
from idp.oauth.details.types import DetailsType
from idp.wiring import House


@click.group()
def details_type() -> None:
    """Types of authorization details: create, list, show, change, delete."""


def _options(command: Any) -> Any:
    for option in (
        click.option(
            "--once/--many", default=None, help="whether an entry is good once; it gets an id that APIs know it by"
        ),
        click.option(
            "--maximum",
            "maximums",
            multiple=True,
            help="a number that may be lowered later: amount.value; repeat for more",
        ),
        click.option("--words", help="what people read: Pay {amount:money} to {creditor.name}"),
        click.option("--resource", "resources", multiple=True, help="an API where it counts; repeat for more"),
    ):
        command = option(command)
    return command


@details_type.command()
@click.argument("identifier", metavar="TYPE")
@click.option("--schema", "schema", required=True, help="a file with its JSON schema (2020-12); - for standard input")
@click.option("--name", required=True, help="what people read above the details")
@_options
@with_house
def create(house: House, /, identifier: str, schema: str, once: bool | None, **given: Any) -> None:
    """Register TYPE."""
    types = details_type_admin(house)
    _show(types.create(identifier=identifier, schema=read_json(schema), once=bool(once), **given))


@details_type.command("list")
@with_house
def list_(house: House) -> None:
    """Every type."""
    found = details_type_admin(house).list()
    rows = [(one.type, one.name, " ".join(one.resources) or "any API") for one in found]
    emit([one.document() for one in found], table(rows, ("type", "name", "resources")))


@details_type.command()
@click.argument("identifier", metavar="TYPE")
@with_house
def show(house: House, identifier: str) -> None:
    """One type."""
    _show(details_type_admin(house).show(identifier))


@details_type.command()
@click.argument("identifier", metavar="TYPE")
@click.option("--schema", "schema", help="a file with its JSON schema; - for standard input")
@click.option("--name", help="what people read above the details")
@_options
@with_house
def update(
    house: House,
    /,
    identifier: str,
    schema: str | None,
    resources: Sequence[str],
    maximums: Sequence[str],
    **given: Any,
) -> None:
    """Change a type; resources and maximums that are given replace the old ones, and empty words remove them."""
    chosen = {name: value for name, value in given.items() if value is not None}
    if schema is not None:
        chosen["schema"] = read_json(schema)
    for name, values in (("resources", resources), ("maximums", maximums)):
        if values:
            chosen[name] = tuple(values)
    _show(details_type_admin(house).update(identifier, **chosen))


@details_type.command()
@click.argument("identifier", metavar="TYPE")
@with_house
def delete(house: House, identifier: str) -> None:
    """Forget a type; what was granted of it is in no token any more."""
    details_type_admin(house).delete(identifier)
    emit({"type": identifier, "deleted": True}, f"{identifier} is deleted")


def _show(one: DetailsType) -> None:
    emit(one.document(), json.dumps(one.document(), indent=2, ensure_ascii=False))
