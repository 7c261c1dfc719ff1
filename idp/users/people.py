"""The values this room hands out, and the event it sends: no other room sees a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class Person:
    """One account. `sub` is opaque and never changes; `claims` holds the standard OpenID claims besides those named here.

    `closed_at` is when they closed it themselves, `deletes_at` when it is to be deleted for good, `first_login_at` when they first logged in.
    """

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
    closed_at: int | None = None
    deletes_at: int | None = None
    first_login_at: int | None = None

    @property
    def may_return(self) -> bool:
        """Whether they closed the account themselves: signing in offers to open it again."""
        return self.disabled and self.closed_at is not None

    @property
    def is_shut_out(self) -> bool:
        """Whether nothing lets them sign in."""
        return self.disabled and self.closed_at is None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whose name was given, and what is kept of their password."""

    person: Person
    password: str | None = field(repr=False)


class Change(StrEnum):
    """What happened to a person."""

    CREATED = "created"
    UPDATED = "updated"
    DISABLED = "disabled"
    ENABLED = "enabled"
    DELETED = "deleted"
    CLOSED = "closed"
    REOPENED = "reopened"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an event
    PASSWORD_REMOVED = "password_removed"  # noqa: S105 - the name of an event


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """Sent inside the transaction that changes a person, so listeners' writes commit or vanish with it. `lost`: roles they no longer have."""

    change: Change
    person: Person
    at: int
    lost: frozenset[str] = frozenset()


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
class Visitor:
    """Whence and with what somebody came: the address and the User-Agent that the request told."""

    peer: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A living session as its owner sees it. Times are epoch seconds: `seen_at` is the last use, to the minute."""

    sid: str
    acr: str
    created_at: int
    seen_at: int
    expires_at: int
    visitor: Visitor


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
