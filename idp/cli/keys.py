"""`idp keys`: the signing keys. Running servers follow within two seconds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from idp.cli.base import emit, read_text, table, with_house
from idp.tokens.jose import ALGORITHMS
from idp.tokens.keyring import KeyRecord
from idp.wiring import House

_TAKES_ANY_KID = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""A kid may begin with a hyphen, and then a letter of it must not be taken for an option: `h` anywhere in it asked for help."""


@click.group()
def keys() -> None:
    """Signing keys: list, rotate, revoke, import, export."""


@keys.command("list")
@with_house
def list_(house: House) -> None:
    """Every key with its state: next, active, retiring, retired."""
    _show(house.keyring.list())


@keys.command()
@click.option("--alg", type=click.Choice(ALGORITHMS), help="one algorithm; all in use without it")
@click.option("--now", is_flag=True, help="publish at once and sign after ten seconds")
@with_house
def rotate(house: House, alg: str | None, now: bool) -> None:
    """Publish a next key; it signs once every cached JWKS must have it."""
    _show(house.keyring.rotate(alg, now=now))


@keys.command(context_settings=_TAKES_ANY_KID)
@click.argument("kid")
@with_house
def revoke(house: House, kid: str) -> None:
    """Take a key out at once; its tokens are refused and a new key signs."""
    house.keyring.revoke(kid)
    emit({"kid": kid, "revoked": True}, f"{kid} is revoked")


@keys.command("import")
@click.option("--file", "file", required=True, help="a private key as PEM or JWK; - for standard input")
@click.option("--alg", type=click.Choice(ALGORITHMS))
@click.option("--state", type=click.Choice(["next", "active"]), default="next")
@with_house
def import_(house: House, file: str, alg: str | None, state: str) -> None:
    """Bring in a private key of your own."""
    _show([house.keyring.add(read_text(file), alg=alg, state=state)])


@keys.command()
@click.option("--public", is_flag=True, required=True, help="public parts only; private ones never leave")
@with_house
def export(house: House, public: bool) -> None:
    """Print the published keys as a JWKS."""
    published = [dict(record.public_jwk) for record in house.keyring.list() if record.state != "retired" and public]
    document = {"keys": published}
    emit(document, json.dumps(document, indent=2))


def _show(records: list[KeyRecord]) -> None:
    rows = [(one.alg, one.state, _time(one.activated_at or one.activates_at), one.kid) for one in records]
    emit([_document(one) for one in records], table(rows, ("alg", "state", "signs since", "kid")))


def _document(record: KeyRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__ if name != "public_jwk"}


def _time(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
