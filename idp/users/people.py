"""The values this room hands out, and the event it sends: no other room sees a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class Person:
    """One account. `sub` is opaque and never changes; `claims` holds the standard OpenID claims besides those named here."""

    sub: str
    username: str
    email: str | None
    email_verified: bool
    roles: tuple[str, ...]
    claims: Mapping[str, Any]
    disabled: bool
    created_at: int
    updated_at: int
    version: int


class Change(StrEnum):
    """What happened to a person."""

    CREATED = "created"
    UPDATED = "updated"
    DISABLED = "disabled"
    ENABLED = "enabled"
    DELETED = "deleted"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an event
    PASSWORD_REMOVED = "password_removed"  # noqa: S105 - the name of an event


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """Sent inside the transaction that changes a person, so listeners' writes commit or vanish with it."""

    change: Change
    person: Person
    at: int


PersonListener = Callable[[sa.Connection, PersonChanged], None]


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A person logged in in one browser. `sid` is public (OpenID Connect Front-Channel Logout §3); the cookie is another secret."""

    sid: str
    sub: str
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    expires_at: int


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who takes part in a session, and the `sid` they know it by."""

    name: str
    sid: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Sent inside the transaction that ends a session before its time."""

    session: BrowserSession
    parties: tuple[Party, ...]


SessionListener = Callable[[sa.Connection, SessionEnded], None]
