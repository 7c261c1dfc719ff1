"""Messages from a queue: the same verdict as over HTTP, and what to do with the message.

verdict = MessageGuard(guard).judge(message.headers, Needs(scopes=("payments:write",)))

A message carries its token in the header `authorization`. It says who caused it, and is signed by whoever may say so: an issuer, or the
service that sent it, which is then an `IssuerTrust` of its own with `jwks` at hand and a short `max_lifetime`. Delivery repeats, so a
token may be seen again: handlers must be idempotent. Tokens that are bound to a key have nothing to prove it with here, and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from token_guard.adapters.tracing import trace_id
from token_guard.errors import GuardError
from token_guard.guard import Guard
from token_guard.needs import NOTHING, Needs
from token_guard.presented import Presented
from token_guard.principal import Principal


class Action(Enum):
    """What to do with a message: handle it, put it aside for good, or try it again later because nobody can tell now."""

    HANDLE = "handle"
    REJECT = "reject"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`principal` is who caused a message that is to be handled; `error` is why it is not; `retry_after` in seconds."""

    action: Action
    principal: Principal | None = None
    error: GuardError | None = None
    retry_after: int = 0


class MessageGuard:
    """Judges messages by their headers, whose names have any case and whose values may be bytes."""

    def __init__(self, guard: Guard, *, header: str = "authorization") -> None:
        self._guard = guard
        self._header = header.lower()

    def judge(self, headers: Mapping[str, str | bytes], needs: Needs = NOTHING) -> Verdict:
        """Whether a message may be handled, and on whose behalf."""
        named = [(name.lower(), _text(value)) for name, value in headers.items()]
        presented = Presented(
            authorization=tuple(value for name, value in named if name == self._header),
            trace_id=trace_id(next((value for name, value in named if name == "traceparent"), None)),
        )
        try:
            return Verdict(Action.HANDLE, self._guard.admit(presented, needs).principal)
        except GuardError as error:
            if error.status == 503:
                return Verdict(Action.RETRY, error=error, retry_after=error.retry_after or 1)
            return Verdict(Action.REJECT, error=error)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
