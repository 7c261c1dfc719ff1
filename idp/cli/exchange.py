"""`idp exchange`: which clients may exchange tokens, for which APIs and scopes (RFC 8693)."""

from __future__ import annotations

from collections.abc import Sequence

import click

from idp.cli.base import emit, table, with_house
from idp.wiring import House


@click.group()
def exchange() -> None:
    """Rules of token exchange: allow, list, delete. Without a rule nothing is exchanged."""


@exchange.command()
@click.argument("client_id")
@click.option("--audience", required=True, help="the API the new tokens are for")
@click.option("--scope", "scopes", multiple=True, required=True, help="a scope they may have; repeat for more")
@click.option(
    "--from-audience", "from_audiences", multiple=True, help="whose tokens may be presented; default: any API's"
)
@click.option("--impersonate", is_flag=True, help="the new tokens do not say that this client acts")
@with_house
def allow(
    house: House,
    client_id: str,
    audience: str,
    scopes: Sequence[str],
    from_audiences: Sequence[str],
    impersonate: bool,
) -> None:
    """Let CLIENT_ID exchange tokens for an API; a rule for the same API is replaced."""
    rule = house.exchange_rules.allow(
        client_id, audience=audience, scopes=scopes, from_audiences=from_audiences, impersonates=impersonate
    )
    emit(rule.document(), f"{client_id} may get {' '.join(rule.scopes)} at {audience}")


@exchange.command("list")
@click.option("--client", "client_id", help="the rules of one client")
@with_house
def list_(house: House, client_id: str | None) -> None:
    """Every rule."""
    rules = house.exchange_rules.list(client_id)
    rows = [
        (
            rule.client_id,
            rule.audience,
            " ".join(rule.scopes),
            " ".join(rule.from_audiences) or "any API",
            "impersonates" if rule.impersonates else "",
        )
        for rule in rules
    ]
    emit([rule.document() for rule in rules], table(rows, ("client_id", "audience", "scopes", "presented", "")))


@exchange.command()
@click.argument("client_id")
@click.option("--audience", required=True, help="the API of the rule")
@with_house
def delete(house: House, client_id: str, audience: str) -> None:
    """Take a rule away."""
    house.exchange_rules.delete(client_id, audience)
    document = {"client_id": client_id, "audience": audience, "deleted": True}
    emit(document, f"{client_id} may no longer exchange tokens for {audience}")
