"""`idp user`: people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from idp.cli.base import emit, table, with_house
from idp.cli.user_invitations import invitations, invite, withdraw
from idp.errors import Refused
from idp.users.accounts import document
from idp.users.people import Person
from idp.wiring import House


@click.group()
def user() -> None:
    """People: create, invite, list, show, change, disable, delete."""


for _one in (invite, invitations, withdraw):
    user.add_command(_one)


@user.command()
@click.argument("name")
@click.option("--email", required=True)
@click.option("--email-verified", is_flag=True, help="the address is known to be theirs")
@click.option("--password-stdin", is_flag=True, help="read one line as the password")
@click.option("--role", "roles", multiple=True, help="a role; may be given several times")
@click.option(
    "--claim", "claims", multiple=True, metavar="K=V", help="a standard claim; address.country=DE reaches inside"
)
@with_house
def create(
    house: House,
    name: str,
    email: str,
    email_verified: bool,
    password_stdin: bool,
    roles: Sequence[str],
    claims: Sequence[str],
) -> None:
    """Create the user NAME."""
    person = house.accounts.create(
        username=name,
        email=email,
        email_verified=email_verified,
        password=_password() if password_stdin else None,
        roles=roles,
        claims=_merged({}, claims),
    )
    _show(person)


@user.command("list")
@with_house
def list_(house: House) -> None:
    """Everybody."""
    people = list(house.accounts.all())
    rows = [
        (person.username, person.email or "", person.sub, "disabled" if person.disabled else "") for person in people
    ]
    emit([document(person) for person in people], table(rows, ("name", "e-mail", "sub", "")))


@user.command()
@click.argument("name")
@with_house
def show(house: House, name: str) -> None:
    """One user, by name, e-mail address or sub."""
    _show(_found(house, name))


@user.command()
@click.argument("name")
@click.option("--username")
@click.option("--email")
@click.option("--email-verified/--email-unverified", default=None)
@click.option("--role", "roles", multiple=True, help="the roles, all of them; an empty one takes all away")
@click.option("--claim", "claims", multiple=True, metavar="K=V", help="a claim to set; an empty value removes it")
@with_house
def update(house: House, /, name: str, roles: Sequence[str], claims: Sequence[str], **changes: Any) -> None:
    """Change a user."""
    person = _found(house, name)
    wanted = {field: value for field, value in changes.items() if value is not None}
    if roles:
        wanted["roles"] = tuple(role for role in roles if role)
    if claims:
        wanted["claims"] = _merged(dict(person.claims), claims)
    _show(house.accounts.update(person.sub, **wanted))


@user.command()
@click.argument("name")
@with_house
def disable(house: House, name: str) -> None:
    """No more logins; sessions and tokens end at once."""
    _show(house.accounts.disable(_found(house, name).sub))


@user.command()
@click.argument("name")
@with_house
def enable(house: House, name: str) -> None:
    """Let a disabled user log in again."""
    _show(house.accounts.enable(_found(house, name).sub))


@user.command("set-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="read one line as the password instead of asking")
@with_house
def set_password(house: House, name: str, password_stdin: bool) -> None:
    """Set a new password; sessions and tokens end at once."""
    person = _found(house, name)
    password = _password() if password_stdin else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    _show(house.accounts.set_password(person.sub, password))


@user.command()
@click.argument("name")
@with_house
def delete(house: House, name: str) -> None:
    """Remove a user for good."""
    person = _found(house, name)
    house.accounts.delete(person.sub)
    emit({"sub": person.sub, "deleted": True}, f"{person.username} is deleted")


def _found(house: House, name: str) -> Person:
    sub = house.accounts.sub_of(name)
    person = house.accounts.find(sub or name)
    if person is None:
        raise Refused("unknown", f"there is no user {name}")
    return person


def _show(person: Person) -> None:
    shown = document(person)
    emit(shown, "\n".join(f"{name}: {_line(value)}" for name, value in shown.items() if value not in (None, [], {})))


def _line(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _password() -> str:
    """One line of standard input without its newline."""
    try:
        line = sys.stdin.buffer.readline(4096).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("password", "the password on standard input is not UTF-8") from error
    return line.removesuffix("\n").removesuffix("\r")


def _merged(claims: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator or not name:
            raise click.UsageError(f"--claim wants K=V, not {assignment}")
        outer, _, inner = name.partition(".")
        target = claims if not inner else claims.setdefault(outer, {})
        if not isinstance(target, dict):
            raise click.UsageError(f"{outer} has no parts")
        _assign(target, inner or outer, text)
    return claims


def _assign(target: dict[str, Any], name: str, text: str) -> None:
    if text == "":
        target.pop(name, None)
    elif name.endswith("_verified"):
        target[name] = {"true": True, "false": False}.get(text, text)
    else:
        target[name] = text
