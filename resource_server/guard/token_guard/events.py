"""What an issuer tells of its own accord: Security Event Tokens about status lists and keys (RFC 8417)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CHANGED, _KEY_REVOKED = "status.changed", "status.key_revoked"
_MAX_INDEXES = 4096


@dataclass(frozen=True, slots=True)
class ListChanged:
    """A status list changed; `indexes` are invalid now, as far as the event names them."""

    uri: str
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """A signing key is revoked."""

    kid: str


def status_events(claims: Mapping[str, Any]) -> Iterator[ListChanged | KeyRevoked]:
    """What the events of a verified token say about statuses, by the last part of their names; all else is passed over."""
    events = claims.get("events")
    for name, event in events.items() if isinstance(events, dict) else ():
        told = event.get("status") if isinstance(event, dict) else None
        if not isinstance(told, dict):
            continue
        kind, uri, kid = name.rpartition(":")[2], told.get("uri"), told.get("kid")
        if kind == _CHANGED and isinstance(uri, str):
            yield ListChanged(uri, _indexes(told.get("idx")))
        elif kind == _KEY_REVOKED and isinstance(kid, str):
            yield KeyRevoked(kid)


def _indexes(told: Any) -> tuple[int, ...]:
    if not isinstance(told, list) or len(told) > _MAX_INDEXES:
        return ()
    return tuple(index for index in told if isinstance(index, int) and not isinstance(index, bool) and index >= 0)
