"""`idp logout`: what became of the logout tokens that apps were sent."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from idp.cli.base import emit, table, with_house
from idp.oauth.logout.deliveries import STATES, DeliveryLog
from idp.wiring import House

_HEADER = ("when", "client", "person", "state", "tries", "last error")


@click.group()
def logout() -> None:
    """Back-channel logout: the log of deliveries."""


@logout.command("list")
@click.option("--client", "client_id", help="only those to this client")
@click.option("--state", type=click.Choice(STATES), help="only those in this state")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@with_house
def list_(house: House, client_id: str | None, state: str | None, limit: int) -> None:
    """The newest deliveries first; kept for 30 days.

    A logout token waits until the app has accepted it. Failed: given up after twelve tries in about an hour. Dropped: the app was
    deleted or disabled, or no longer wants to hear.
    """
    found = DeliveryLog(house.database).newest(limit=limit, client_id=client_id, state=state)
    rows = [
        (_time(one.created_at), one.client_id, one.sub, one.state, one.attempts, one.last_error or "") for one in found
    ]
    emit([asdict(one) for one in found], table(rows, _HEADER))


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
