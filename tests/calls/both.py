"""One running service that can be asked over every transport."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from resource_server.calls.lines import open_line
from resource_server.calls.messages import Messages
from resource_server.calls.opening import TRANSPORTS
from resource_server.calls.transport import Call, Envelope, Reply, Transport
from tests.resource_server.apis import Apis, open_apis
from tests.senders.authority import LOCALHOST, certify
from tests.support.ports import free_port
from tests.support.servers import another_redis

SERVER = certify("CN=127.0.0.1", authority=True, alternatives=LOCALHOST)
SCHEMES = ("http", "grpcs", "queue")
SECRET = secrets.token_urlsafe(48)
PAYMENT = {"amount": {"value": 1234, "currency": "EUR"}}


@dataclass(frozen=True)
class Both:
    """One running service, asked over REST, over gRPC with TLS, and through a broker."""

    apis: Apis
    rpc: str
    ca: Path
    broker: str

    def carry(self, scheme: str, token: str, call: Call, seconds: float = 30, trace: str | None = None) -> Reply:
        service = call.action.partition(".")[0]
        return self.transport(scheme, service).carry(call, Envelope(token, seconds, trace))

    def transport(self, scheme: str, service: str = "payments") -> Transport:
        if scheme == "queue":
            return Messages(open_line(self.broker), service)
        return TRANSPORTS[scheme]({"http": self.apis.url, "grpcs": self.rpc}[scheme], self.ca)

    @property
    def target(self) -> str:
        return self.rpc.removeprefix("grpcs://")

    def channel(self) -> grpc.Channel:
        return grpc.secure_channel(self.target, grpc.ssl_channel_credentials(self.ca.read_bytes()))


@contextmanager
def open_both(folder: Path, redis_url: str) -> Iterator[Both]:
    """Start it, and stop it at the end."""
    port = free_port()
    certificate, key = SERVER.files(folder)
    settings = {"RS_GRPC_PORT": str(port), "RS_GRPC_CERT_FILE": certificate, "RS_GRPC_KEY_FILE": key}
    broker = another_redis(redis_url, 2)
    own = {"RS_MESSAGES_URL": broker, "RS_SECRET": SECRET}
    with open_apis(folder, None, None, {**settings, **own}) as apis:
        yield Both(apis, f"grpcs://127.0.0.1:{port}", Path(certificate), broker)


def create(**changes: Any) -> Call:
    return Call("payments.create", {**PAYMENT, **changes}, secrets.token_hex(8))
