"""`idp resource`: the APIs whose tokens we issue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from idp.cli.base import emit, table, with_house
from idp.oauth.resources import Resource
from idp.wiring import House


@click.group()
def resource() -> None:
    """APIs (RFC 8707 resources): create, list, show, change, delete."""


def _options(command: Any) -> Any:
    for option in (
        click.option("--token-ttl", type=int, help="seconds an access token for it lives"),
        click.option("--signing-alg", help="ES256, RS256, PS256 or Ed25519"),
        click.option("--may-act", help="the client_id its tokens let act for their subject; empty for any with a rule"),
        click.option("--claim", "claims", multiple=True, help="a claim its tokens carry: roles"),
        click.option(
            "--scope", "scopes", multiple=True, metavar="NAME=WHAT", help="a scope and what it lets an app do"
        ),
        click.option("--name", help="what people read on the consent page"),
    ):
        command = option(command)
    return command


@resource.command()
@click.argument("uri")
@_options
@with_house
def create(house: House, /, uri: str, scopes: Sequence[str], claims: Sequence[str], **given: Any) -> None:
    """Register the API of identifier URI."""
    chosen = {name: value for name, value in given.items() if value is not None}
    _show(house.resources.create(uri=uri, scopes=_scopes(scopes), claims=claims, **chosen))


@resource.command("list")
@with_house
def list_(house: House) -> None:
    """Every API."""
    found = house.resources.list()
    rows = [(one.uri, one.name, " ".join(one.scopes)) for one in found]
    emit([one.document() for one in found], table(rows, ("uri", "name", "scopes")))


@resource.command()
@click.argument("uri")
@with_house
def show(house: House, uri: str) -> None:
    """One API."""
    _show(house.resources.show(uri))


@resource.command()
@click.argument("uri")
@_options
@with_house
def update(house: House, /, uri: str, scopes: Sequence[str], claims: Sequence[str], **given: Any) -> None:
    """Change an API; scopes and claims that are given replace the old ones."""
    chosen = {name: value for name, value in given.items() if value is not None}
    if scopes:
        chosen["scopes"] = _scopes(scopes)
    if claims:
        chosen["claims"] = tuple(claims)
    _show(house.resources.update(uri, **chosen))


@resource.command()
@click.argument("uri")
@with_house
def delete(house: House, uri: str) -> None:
    """Forget an API; no more tokens are issued for it."""
    house.resources.delete(uri)
    emit({"uri": uri, "deleted": True}, f"{uri} is deleted")


def _scopes(given: Sequence[str]) -> dict[str, str]:
    return {name: words or name for name, _, words in (one.partition("=") for one in given)}


def _show(one: Resource) -> None:
    emit(one.document(), json.dumps(one.document(), indent=2, ensure_ascii=False))
