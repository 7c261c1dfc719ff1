"""Asking until there is an answer, the time is over, or so much is repeated already that repeating would only make it worse."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from token_guard.breaker import Breaker

from resource_server.calls.transport import Call, Envelope, Reply, Transport
from resource_server.edges.faces import Refused, Unreachable
from resource_server.platform import deadlines
from resource_server.work.kinds import jittered

RETRIES = 2
_FIRST_PAUSE = 0.05
_AWAY = frozenset({429, 502, 503, 504})
Credential = Callable[[bool], str]
"""(fresh): the token of a call; `fresh` when the one before was not accepted."""


class Budget:
    """Lets one call in `one_in` be a repeat, and a few at once, so that a service that is down is not asked three times as much."""

    def __init__(self, *, one_in: int = 5, at_once: int = 10) -> None:
        self._lock = Lock()
        self._each = 1 / one_in
        self._most = float(at_once)
        self._left = self._most

    def earn(self) -> None:
        """A call was made."""
        with self._lock:
            self._left = min(self._most, self._left + self._each)

    def spend(self) -> bool:
        """Whether one may be repeated."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Caller:
    """Calls one service. An attempt takes at most `timeout` seconds, all of them `deadline`, and no longer than whoever asked us waits.

    A `breaker` leaves a service alone that was away again and again. `trace` says what trace we are in where a call is not told.
    `own_words`: the first token will not do, since it may be a person's.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        timeout: float,
        deadline: float,
        budget: Budget,
        breaker: Breaker | None = None,
        trace: Callable[[], str | None] = lambda: None,
        own_words: bool = False,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._deadline = deadline
        self._budget = budget
        self._breaker = breaker
        self._trace = trace
        self._own_words = own_words
        self._now = now
        self._sleep = sleep

    def call(self, call: Call, credential: Credential, *, traceparent: str | None = None) -> Reply:
        """The answer; raises `Unreachable` when there is none in time, `Passed`, and `Refused` for a no that would be one again."""
        if self._breaker is not None and self._breaker.wait() > 0:
            raise Unreachable(f"{call.action}: left alone for a while")
        end = self._now() + deadlines.left(self._deadline)
        traceparent = traceparent or self._trace()
        self._budget.earn()
        reply = self._attempt(call, credential(self._own_words), end, traceparent)
        if reply is not None and reply.status == 401:
            reply = self._attempt(call, credential(True), end, traceparent)
        for attempt in range(RETRIES):
            if reply is not None:
                break
            pause = jittered(_FIRST_PAUSE * 4**attempt)
            if self._now() + pause >= end or not self._budget.spend():
                break
            self._sleep(pause)
            reply = self._attempt(call, credential(self._own_words), end, traceparent)
        if reply is None:
            raise Unreachable(call.action)
        return _accepted(call, reply)

    def _attempt(self, call: Call, token: str, end: float, traceparent: str | None) -> Reply | None:
        """One attempt; None when it may be repeated."""
        seconds = min(self._timeout, end - self._now())
        if seconds <= 0:
            return None
        try:
            reply: Reply | None = self._transport.carry(call, Envelope(token, seconds, traceparent))
        except Unreachable:
            reply = None
        answered = reply is not None and reply.status not in _AWAY
        self._note(answered=answered)
        return reply if answered else None

    def _note(self, *, answered: bool) -> None:
        """What an attempt says of the other service: nothing, when it was given up because whoever asked us waits no longer."""
        if self._breaker is None:
            return
        if answered:
            self._breaker.succeeded()
        elif deadlines.seconds_left() <= _FIRST_PAUSE:
            self._breaker.abandoned()
        else:
            self._breaker.failed()


def _accepted(call: Call, reply: Reply) -> Reply:
    if reply.status < 300:
        return reply
    if not 400 <= reply.status < 500 or reply.document.get("retryable") is True:
        raise Unreachable(f"{call.action}: {reply.status}")
    raise Refused(str(reply.document.get("code", reply.status)), str(reply.document.get("detail", "")))
