"""What the users API is sent and shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from resource_server.api import bodies, times
from resource_server.api.money import EXPONENTS
from resource_server.platform.store import Row

MANAGED_ELSEWHERE = frozenset(
    {"username", "name", "given_name", "family_name", "email", "email_verified", "roles", "disabled"}
)
"""What only the identity provider changes."""
OWN: Mapping[str, Any] = {"preferred_currency": None, "delivery_note": None, "newsletter": False}
"""This service's own fields, as they are of somebody who never set them."""
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Note = Annotated[str, Field(max_length=500)]


class UserPatch(bodies.Strict):
    """The service's own fields; null sets one back. Names, e-mail and roles are changed at the account page."""

    preferred_currency: Currency | None = None
    delivery_note: Note | None = None
    newsletter: bool | None = None

    @field_validator("preferred_currency")
    @classmethod
    def _taken(cls, value: str | None) -> str | None:
        if value is not None and value not in EXPONENTS:
            raise ValueError("this currency is not taken")
        return value

    def changes(self) -> dict[str, Any]:
        """What it names, with null as what a field is at first."""
        named = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: OWN[name] if value is None else value for name, value in named.items()}


class UserShown(BaseModel):
    """A person."""

    id: str
    given_name: str | None
    family_name: str | None
    email: str | None
    email_verified: bool
    roles: list[str]
    preferred_currency: str | None
    delivery_note: str | None
    newsletter: bool
    created_at: str
    version: int


class UserPage(BaseModel):
    """A slice of the list."""

    items: list[UserShown]
    next_page_token: str | None


class UserShownV1(BaseModel):
    """A person as v1 shows them."""

    id: str
    username: str
    email: str | None
    email_verified: bool
    name: str | None
    given_name: str | None
    family_name: str | None
    roles: list[str]
    created_at: int
    version: int


def user(row: Row) -> dict[str, Any]:
    """A person: the copy, with what this service knows itself."""
    facts = row.facts
    own = OWN if row.changes is None else {name: getattr(row, name) for name in OWN}
    return {
        "id": row.sub,
        **{name: facts.get(name) for name in ("given_name", "family_name", "email")},
        "email_verified": bool(facts.get("email_verified")),
        "roles": list(facts.get("roles", ())),
        **own,
        "created_at": times.shown(int(facts["created_at"])),
        "version": version(row),
    }


def user_v1(row: Row) -> dict[str, Any]:
    """The same as v1 shows it."""
    names = ("username", "email", "email_verified", "name", "given_name", "family_name", "roles", "created_at")
    return {"id": row.sub, **{name: row.facts.get(name) for name in names}, "version": row.version}


def version(row: Row) -> int:
    """Grows with every change, here and at the identity provider."""
    return int(row.version) + int(row.changes or 0)
