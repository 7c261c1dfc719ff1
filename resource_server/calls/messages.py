"""Messages: each action is a question in the queue of the service that is asked, chosen by `queue://SERVICE`; the broker is RS_MESSAGES_URL.

No token of an issuer lies in a queue: what goes along is what a service says itself (`identity.py`), good for a minute, for one audience.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import jwt

from resource_server.calls.identity import CONTEXT
from resource_server.calls.lines import Line
from resource_server.calls.transport import Call, Envelope, Reply, Transport
from resource_server.edges.faces import APP, Unreachable


def queue_of(service: str) -> str:
    """Where the questions for a service wait."""
    return f"rs.calls.{service}"


class Messages:
    """A service that is asked through a broker."""

    def __init__(self, line: Line, service: str) -> None:
        self._line = line
        self._queue = queue_of(service)

    def carry(self, call: Call, envelope: Envelope) -> Reply:
        headers = {
            "authorization": f"Bearer {envelope.credential}",
            "idempotency-key": call.key,
            APP.lower(): call.app,
            "traceparent": envelope.traceparent,
        }
        question = {
            "action": call.action,
            "arguments": call.arguments,
            "headers": {name: value for name, value in headers.items() if value is not None},
            "seconds": envelope.seconds,
            "until": time.time() + envelope.seconds,
        }
        return _reply(self._line.ask(self._queue, json.dumps(question).encode(), envelope.seconds))


class OwnWords:
    """Lets through a transport only what services say themselves: tokens of people are never written down, not in a queue either."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def carry(self, call: Call, envelope: Envelope) -> Reply:
        kind: Any = jwt.get_unverified_header(envelope.credential).get("typ")
        if kind != CONTEXT:
            raise ValueError("this token must not be queued")
        return self._transport.carry(call, envelope)


def _reply(answer: bytes) -> Reply:
    try:
        told = json.loads(answer)
        document: Mapping[str, Any] = told["document"]
        return Reply(int(told["status"]), dict(document))
    except (ValueError, KeyError, TypeError) as error:
        raise Unreachable("an answer that is none") from error
