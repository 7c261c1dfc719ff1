"""`idp upstream`: the providers that people can log in with."""

from __future__ import annotations

import json
from typing import Any

import click

from idp.assembly.upstream import provider_admin, provider_directory
from idp.cli.base import emit, read_json, read_text, table, with_house
from idp.errors import Refused
from idp.upstream.presets import PRESETS
from idp.upstream.providers import Known
from idp.wiring import House


@click.group()
def upstream() -> None:
    """Log in with others: create, list, show, change, disable, delete providers."""


def _options(command: Any) -> Any:
    for option in (
        click.option("--file", "file", help="a JSON object of settings; - for standard input"),
        click.option("--secret-file", help="a file with the client secret, or Apple's key; - for standard input"),
        click.option("--client-id", help="the id the provider gave us"),
        click.option("--issuer", help="the issuer of an OpenID provider"),
        click.option("--title", help="what people call the provider: Continue with TITLE"),
        click.option("--position", type=click.IntRange(0, 9999), help="where its button stands; the lowest is first"),
    ):
        command = option(command)
    return command


@upstream.command()
@click.argument("name")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="what is known of it; default: NAME, else oidc")
@_options
@with_house
def create(
    house: House, /, name: str, preset: str | None, secret_file: str | None, file: str | None, **given: Any
) -> None:
    """Offer NAME on the login page."""
    described = _described(file, given)
    if preset is not None:
        described["preset"] = preset
    elif name in PRESETS:
        described.setdefault("preset", name)
    _show(provider_admin(house).create(name, described, _secret(described, secret_file)))


@upstream.command("list")
@with_house
def list_(house: House) -> None:
    """Every provider, as their buttons are ordered."""
    found = sorted(provider_directory(house).all(), key=lambda one: (one.provider.position, one.name))
    rows = [
        (one.name, one.title, one.provider.issuer or one.provider.kind, "disabled" if one.disabled else "")
        for one in found
    ]
    emit([one.document() for one in found], table(rows, ("name", "title", "issuer", "")))


@upstream.command()
@click.argument("name")
@with_house
def show(house: House, name: str) -> None:
    """One provider, without its secret."""
    _show(provider_directory(house).show(name))


@upstream.command()
@click.argument("name")
@_options
@with_house
def update(house: House, /, name: str, secret_file: str | None, file: str | None, **given: Any) -> None:
    """Change a provider; in the file null removes a member."""
    described = _described(file, given)
    secret = _secret(described, secret_file)
    _show(provider_admin(house).update(name, described, secret))


@upstream.command()
@click.argument("name")
@with_house
def disable(house: House, name: str) -> None:
    """Offer it no more; what people linked stays."""
    _show(provider_admin(house).disable(name))


@upstream.command()
@click.argument("name")
@with_house
def enable(house: House, name: str) -> None:
    """Offer a disabled provider again."""
    _show(provider_admin(house).enable(name))


@upstream.command()
@click.argument("name")
@with_house
def delete(house: House, name: str) -> None:
    """Forget a provider and what people linked with it."""
    provider_admin(house).delete(name)
    emit({"name": name, "deleted": True}, f"{name} is deleted")


def _described(file: str | None, given: dict[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in given.items() if value is not None}
    return {**(read_json(file) if file else {}), **options}


def _secret(described: dict[str, Any], secret_file: str | None) -> str | None:
    """The secret of the file, or of the settings, which must not keep it."""
    inside = described.pop("client_secret", None)
    if secret_file is not None:
        return read_text(secret_file).strip()
    if inside is not None and not isinstance(inside, str):
        raise Refused("secret", "client_secret must be text")
    return inside


def _show(one: Known) -> None:
    emit(one.document(), json.dumps(one.document(), indent=2, ensure_ascii=False))
