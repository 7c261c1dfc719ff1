"""gRPC: each action is a method of `shop.proto`, at `grpcs://HOST:PORT`; plain `grpc://` is for loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import grpc

from resource_server.calls.shapes import Method, shapes, to_document, to_message
from resource_server.calls.transport import Call, Envelope, Reply
from resource_server.edges.faces import APP, Unreachable

METHODS: Mapping[str, str] = {
    "payments.create": "/shop.v2.Payments/Create",
    "payments.find": "/shop.v2.Payments/Get",
    "payments.list": "/shop.v2.Payments/List",
    "payments.give_back": "/shop.v2.Payments/GiveBack",
    "payments.order_changed": "/shop.v2.Payments/OrderChanged",
    "orders.payment_changed": "/shop.v2.Orders/PaymentChanged",
    "users.find": "/shop.v2.Users/Get",
    "users.list": "/shop.v2.Users/List",
    "users.recipient": "/shop.v2.Users/GetRecipient",
}
"""The method of each action."""
STATUS, PROBLEM, KEY, TRACE, FOR = "http-status", "problem-bin", "idempotency-key", "traceparent", APP.lower()
_REFUSED = {grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.PERMISSION_DENIED: 403}
_OPTIONS = (
    ("grpc.enable_retries", 0),  # whoever calls decides what is repeated
    ("grpc.max_receive_message_length", 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


class Rpc:
    """The gRPC server at `url`; its certificate is proved by the authorities of `ca_file`, or by the machine's."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        self._target = f"{parts.hostname}:{parts.port or 443}"
        self._secure = parts.scheme == "grpcs"
        self._ca_file = ca_file
        self._channel: grpc.Channel | None = None
        self._lock = Lock()

    def carry(self, call: Call, envelope: Envelope) -> Reply:
        method = shapes().methods[METHODS[call.action]]
        ask: grpc.UnaryUnaryMultiCallable[Any, Any] = self._opened().unary_unary(
            method.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=method.answered.FromString,
        )
        try:
            answer, told = ask.with_call(
                to_message(call.arguments, method.asked),
                timeout=envelope.seconds,
                metadata=_metadata(call, envelope),
            )
        except grpc.RpcError as error:
            return _refusal(error)
        return Reply(_status(told.trailing_metadata(), 200), _document(answer, method))

    def _opened(self) -> grpc.Channel:
        """The connection, made with the first call: a process that forks must not hold one."""
        with self._lock:
            if self._channel is None:
                self._channel = self._secured() if self._secure else grpc.insecure_channel(self._target, _OPTIONS)
            return self._channel

    def _secured(self) -> grpc.Channel:
        roots = self._ca_file.read_bytes() if self._ca_file else None
        return grpc.secure_channel(self._target, grpc.ssl_channel_credentials(roots), _OPTIONS)


def _metadata(call: Call, envelope: Envelope) -> tuple[tuple[str, str], ...]:
    known = {"authorization": f"Bearer {envelope.credential}", KEY: call.key, FOR: call.app}
    found = {**known, TRACE: envelope.traceparent}
    return tuple((name, value) for name, value in found.items() if value is not None)


def _document(answer: Any, method: Method) -> Mapping[str, Any]:
    return to_document(answer, absent=True) if method.answered.DESCRIPTOR.fields else {}


def _refusal(error: Any) -> Reply:
    """What the other side said no with; raises `Unreachable` when it said nothing."""
    metadata = error.trailing_metadata() or ()
    status = _status(metadata, _REFUSED.get(error.code(), 0))
    if status == 0:
        raise Unreachable(str(error.code().name)) from error
    problem = next((value for name, value in metadata if name == PROBLEM), None)
    return Reply(status, json.loads(problem) if problem else {"detail": error.details()})


def _status(metadata: Any, otherwise: int) -> int:
    return next((int(value) for name, value in metadata or () if name == STATUS), otherwise)
