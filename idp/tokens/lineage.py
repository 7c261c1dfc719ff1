"""Which token another was exchanged from: its `jti` begins with theirs, so what ends the one is known to end the other (RFC 8693).

`GRANT.random` is a token of a grant, `random` one of a service; each exchange adds `~` and an id that tells when it happened.
"""

from __future__ import annotations

from idp.platform.ids import created_at, new_id

_LINK = "~"


def succeed(jti: str, now: float) -> str:
    """The `jti` of a token that is exchanged for this one now (seconds, to the millisecond)."""
    return f"{jti}{_LINK}{new_id(now)}"


def ancestors(jti: str) -> tuple[str, ...]:
    """The tokens it descends from, the first one first; none for a token that was never exchanged."""
    links = jti.split(_LINK)
    return tuple(_LINK.join(links[:count]) for count in range(1, len(links)))


def exchanges(jti: str) -> int:
    """How many exchanges lie behind a token."""
    return jti.count(_LINK)


def exchanged_at(jti: str) -> float | None:
    """When the last exchange gave this token, in seconds; None for a token that was never exchanged."""
    _, linked, last = jti.rpartition(_LINK)
    return created_at(last) if linked else None
