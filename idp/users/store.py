"""Rows of people: look-ups and single-statement changes."""

from __future__ import annotations

import unicodedata
from typing import Any

import sqlalchemy as sa

from idp.platform.db import AnyRow
from idp.users.models import UserRow
from idp.users.people import Credentials, Person

_COLUMNS = (
    UserRow.sub,
    UserRow.username,
    UserRow.email,
    UserRow.email_verified,
    UserRow.roles,
    UserRow.claims,
    UserRow.disabled,
    UserRow.created_at,
    UserRow.updated_at,
    UserRow.version,
    UserRow.closed_at,
    UserRow.deletes_at,
    UserRow.first_login_at,
)
_BY_SUB = sa.select(*_COLUMNS).where(UserRow.sub == sa.bindparam("sub"))
_VERSION = sa.select(UserRow.version).where(UserRow.sub == sa.bindparam("sub"))
_HELD, _LOCKED = _VERSION.with_for_update(read=True), _VERSION.with_for_update()
_STORED = sa.select(UserRow.password).where(UserRow.sub == sa.bindparam("sub"))
_PASSWORD = sa.select(UserRow.password.is_not(None)).where(UserRow.sub == sa.bindparam("sub"))
_PASSWORD_HELD = _PASSWORD.with_for_update()
_FIRST_LOGIN = (
    sa.update(UserRow)
    .where(UserRow.sub == sa.bindparam("person"), UserRow.first_login_at.is_(None))
    .values(first_login_at=sa.bindparam("now"))
)
_BY_NAME = sa.select(*_COLUMNS).where(UserRow.username_key == sa.bindparam("name"))
_BY_EMAIL = sa.select(*_COLUMNS).where(UserRow.email_key == sa.bindparam("email"))
_CREDENTIALS = sa.select(*_COLUMNS, UserRow.password).where(
    sa.or_(UserRow.username_key == sa.bindparam("name"), UserRow.email_key == sa.bindparam("email"))
)


def username_key(username: str) -> str:
    """What makes two user names the same."""
    return unicodedata.normalize("NFKC", username).casefold()


def email_key(email: str) -> str:
    """What makes two addresses the same."""
    return unicodedata.normalize("NFC", email).casefold()


def find(tx: sa.Connection, sub: str) -> Person | None:
    return _one(tx, _BY_SUB, sub=sub)


def hold(tx: sa.Connection, sub: str, *, alone: bool = False) -> int | None:
    """The person's version, which nobody changes before this transaction ends; None when they are gone.

    Who goes on to change them holds them `alone`.
    """
    version: int | None = tx.execute(_LOCKED if alone else _HELD, {"sub": sub}).scalar()
    return version


def logs_in_first(tx: sa.Connection, sub: str, now: int) -> bool:
    """Note the first login of a person; True when this is it."""
    return tx.execute(_FIRST_LOGIN, {"person": sub, "now": now}).rowcount == 1


def password(tx: sa.Connection, sub: str) -> str | None:
    """The stored password; None when there is none."""
    stored: str | None = tx.execute(_STORED, {"sub": sub}).scalar()
    return stored


def has_password(tx: sa.Connection, sub: str, *, hold: bool = False) -> bool:
    """Whether the person has a password; with `hold` nobody else holds or changes them before this transaction ends."""
    return bool(tx.execute(_PASSWORD_HELD if hold else _PASSWORD, {"sub": sub}).scalar())


def by_username(tx: sa.Connection, username: str) -> Person | None:
    return _one(tx, _BY_NAME, name=username_key(username))


def by_email(tx: sa.Connection, email: str) -> Person | None:
    return _one(tx, _BY_EMAIL, email=email_key(email))


def credentials(tx: sa.Connection, text: str) -> Credentials | None:
    """The person with this user name or address, and the stored password. A user name wins over an address."""
    found = tx.execute(_CREDENTIALS, {"name": username_key(text), "email": email_key(text)}).all()
    rows = sorted(found, key=lambda row: username_key(row.username) != username_key(text))
    return Credentials(_person(rows[0]), rows[0].password) if rows else None


def is_taken(tx: sa.Connection, person: Person) -> bool:
    """Whether somebody else has this name or address."""
    named = {"name": username_key(person.username), "email": email_key(person.email or "")}
    return any(row.sub != person.sub for row in tx.execute(_CREDENTIALS, named))


def page(tx: sa.Connection, after: str, limit: int) -> list[Person]:
    """People in the order of their `sub`, from the one behind `after`."""
    query = sa.select(*_COLUMNS).where(UserRow.sub > after).order_by(UserRow.sub).limit(limit)
    return [_person(row) for row in tx.execute(query)]


def insert(tx: sa.Connection, person: Person, password: str | None) -> None:
    """Write a new person; raises `IntegrityError` when the name or address is taken."""
    tx.execute(sa.insert(UserRow).values(**columns(person), password=password))


def update(tx: sa.Connection, person: Person) -> bool:
    """Write a changed person whose `version` was raised by one; False when somebody else was faster."""
    values = columns(person)
    unchanged = (UserRow.sub == person.sub, UserRow.version == person.version - 1)
    return tx.execute(sa.update(UserRow).where(*unchanged).values(**values)).rowcount == 1


def set_password(tx: sa.Connection, sub: str, password: str | None) -> bool:
    changed = {"password": password, "version": UserRow.version + 1}
    return tx.execute(sa.update(UserRow).where(UserRow.sub == sub).values(**changed)).rowcount == 1


def rewrite_password(tx: sa.Connection, sub: str, old: str | None, new: str) -> None:
    """Store the same password in another form, unless it was changed meanwhile."""
    tx.execute(sa.update(UserRow).where(UserRow.sub == sub, UserRow.password == old).values(password=new))


def delete(tx: sa.Connection, sub: str) -> bool:
    return tx.execute(sa.delete(UserRow).where(UserRow.sub == sub)).rowcount == 1


def due(tx: sa.Connection, now: int, limit: int) -> list[str]:
    """Who is to be deleted by now."""
    return list(tx.execute(sa.select(UserRow.sub).where(UserRow.deletes_at <= now).limit(limit)).scalars())


def delete_due(tx: sa.Connection, sub: str, now: int) -> bool:
    """Delete this person, unless they came back meanwhile."""
    return tx.execute(sa.delete(UserRow).where(UserRow.sub == sub, UserRow.deletes_at <= now)).rowcount == 1


def columns(person: Person) -> dict[str, Any]:
    """The columns of a person, but for the password."""
    return {
        "sub": person.sub,
        "username": person.username,
        "username_key": username_key(person.username),
        "email": person.email,
        "email_key": None if person.email is None else email_key(person.email),
        "email_verified": person.email_verified,
        "roles": list(person.roles),
        "claims": dict(person.claims),
        "disabled": person.disabled,
        "created_at": person.created_at,
        "updated_at": person.updated_at,
        "version": person.version,
        "closed_at": person.closed_at,
        "deletes_at": person.deletes_at,
    }


def _one(tx: sa.Connection, query: sa.Select[Any], **named: str) -> Person | None:
    row = tx.execute(query, named).one_or_none()
    return None if row is None else _person(row)


def _person(row: AnyRow) -> Person:
    return Person(
        sub=row.sub,
        username=row.username,
        email=row.email,
        email_verified=row.email_verified,
        roles=tuple(row.roles),
        claims=row.claims,
        disabled=row.disabled,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        closed_at=row.closed_at,
        deletes_at=row.deletes_at,
        first_login_at=row.first_login_at,
    )
