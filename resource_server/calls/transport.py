"""How a call is carried: the face of every transport, and how one is added.

A `Call` names a service, an action of it (`payments.create`) and its arguments; a transport carries it once and brings back a `Reply`, whose
status has the meaning it has in HTTP, over whatever it came. Retries, their budget, deadlines and the caller's credential are decided above
(`caller.py`), what is asked for is decided above that (`payments.py`, `orders.py`), so a transport knows none of it.

To add a transport: write a class with `carry` that knows each action of `rest.ROUTES` in its own terms, as `rpc.METHODS` does, and a row in
`opening.TRANSPORTS` under the scheme of the URLs that choose it: an edge is carried by what its URL says (`RS_PAYMENTS_URL`).
Whoever answers judges `Envelope.credential` by its guard, heeds `Call.key` as it heeds an Idempotency-Key, and stops after `seconds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked. With the same `key` the same is done once, however often it arrives; without one nothing is changed.

    `app`: for which client of the issuer's it is asked.
    """

    action: str
    arguments: Mapping[str, Any]
    key: str | None = None
    app: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes with one attempt: a token that says who asks and for whom, how many seconds are left, and the trace (W3C Trace Context)."""

    credential: str
    seconds: float
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a status as in HTTP, and a document: what was asked for, or a problem (RFC 9457)."""

    status: int
    document: Mapping[str, Any]


class Transport(Protocol):
    """Carries calls to one service. Used by many threads."""

    def carry(self, call: Call, envelope: Envelope) -> Reply:
        """One attempt; raises `Unreachable` when nothing came back: the call may have arrived."""
