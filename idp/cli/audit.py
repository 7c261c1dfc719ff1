"""`idp audit`: the trail of who did what, and whether anybody tampered with it."""

from __future__ import annotations

import click

from idp.cli.base import emit, with_house
from idp.errors import Refused
from idp.platform.audit import verify as verify_chain
from idp.wiring import House


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command()
@with_house
def verify(house: House) -> None:
    """Check the whole hash chain; exit 1 when it is broken."""
    with house.database.read() as tx:
        verdict = verify_chain(tx)
    if verdict.broken_at is not None:
        raise Refused("broken", f"the audit chain is broken at entry {verdict.broken_at}")
    emit({"entries": verdict.count, "broken_at": None}, f"{verdict.count} entries, unbroken")
