"""What the webhook API is sent and shows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from resource_server.api import bodies, times
from resource_server.payments.webhooks.events import TYPES
from resource_server.platform.store import Row

_Url = Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^https?://[\x21-\x7e]+$")]
_Events = Annotated[list[str], Field(min_length=1, max_length=32)]


def _known(values: list[str] | None) -> list[str] | None:
    if values is not None and not set(values) <= {"*", *TYPES}:
        raise ValueError(f"events are {', '.join(TYPES)}, or * for all")
    return values


class NewEndpoint(bodies.Strict):
    """Where events shall be sent. `scheme`: `v1` signs with a shared secret, `v1a` with an Ed25519 key."""

    url: _Url
    events: _Events = Field(default_factory=lambda: ["*"])
    scheme: Literal["v1", "v1a"] = "v1"

    _checked = field_validator("events")(_known)


class EndpointPatch(bodies.Strict):
    """What changes."""

    url: _Url | None = None
    events: _Events | None = None
    state: Literal["enabled", "disabled"] | None = None

    _checked = field_validator("events")(_known)


class NewSecret(bodies.Strict):
    """A key that follows the one before it."""

    scheme: Literal["v1", "v1a"] = "v1"


class Redelivery(bodies.Strict):
    """To which endpoint; all that want the event when none is named."""

    endpoint: Annotated[str, Field(pattern=r"^whe_[a-v0-9]{26}$")] | None = None


class EndpointShown(BaseModel):
    """An endpoint; `secret` is shown once, when it is made."""

    id: str
    url: str
    events: list[str]
    state: Literal["enabled", "disabled"]
    reason: str | None
    secret: str | None = None
    created_at: str
    version: int


class SecretShown(BaseModel):
    """A key, shown once."""

    scheme: str
    secret: str


class EventShown(BaseModel):
    """An event."""

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]


class EndpointPage(BaseModel):
    """A slice of the list."""

    items: list[EndpointShown]
    next_page_token: str | None


class EventPage(BaseModel):
    """A slice of the list."""

    items: list[EventShown]
    next_page_token: str | None


class Redelivered(BaseModel):
    """To which endpoints the event is sent anew; one that is still being tried is left to its pace."""

    endpoints: list[str]


def endpoint(row: Row) -> dict[str, Any]:
    """An endpoint, without its key."""
    return {
        "id": row.id,
        "url": row.url,
        "events": row.events,
        "state": row.state,
        "reason": row.reason,
        "created_at": times.shown(int(row.created_at)),
        "version": row.version,
    }


def event(row: Row) -> dict[str, Any]:
    """An event."""
    return {"id": row.id, "type": row.type, "timestamp": times.shown(int(row.created_at)), "data": row.data}
