"""`idp user invite`, `invitations` and `withdraw`: asking people to make an account."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from idp.cli.base import emit, table, with_house
from idp.errors import Refused
from idp.wiring import House


@click.command()
@click.argument("email")
@click.option("--role", "roles", multiple=True, help="a role they will have; may be given several times")
@with_house
def invite(house: House, email: str, roles: Sequence[str]) -> None:
    """Send EMAIL a link to make an account, good once."""
    if house.settings.signup == "off":
        raise Refused("signup", "nobody could follow an invitation: set IDP_SIGNUP to invite or on")
    made, link = house.invitations.send(email, roles)
    emit({**made.document(), "link": link}, f"A letter goes to {email}, good until {_moment(made.expires_at)}:\n{link}")


@click.command()
@with_house
def invitations(house: House) -> None:
    """The invitations that nobody followed yet."""
    open_ones = house.invitations.list()
    rows = [(one.id, one.email, " ".join(one.roles), _moment(one.expires_at)) for one in open_ones]
    emit([one.document() for one in open_ones], table(rows, ("id", "e-mail", "roles", "good until")))


@click.command()
@click.argument("name", metavar="INVITATION")
@with_house
def withdraw(house: House, name: str) -> None:
    """Take back an invitation, by its id or its address."""
    gone = house.invitations.withdraw(name)
    emit({"id": gone.id, "withdrawn": True}, f"The invitation of {gone.email} is withdrawn")


def _moment(epoch: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(epoch))
