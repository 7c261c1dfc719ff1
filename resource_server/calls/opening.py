"""Which services are asked over which transport, and by whom: read from the settings once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from token_guard import IssuerTrust
from token_guard.breaker import Breaker

from resource_server.calls.caller import Budget, Caller
from resource_server.calls.exchange import TokenExchange
from resource_server.calls.identity import CONTEXT, ServiceKey
from resource_server.calls.orders import RemoteOrders
from resource_server.calls.payments import RemotePayments
from resource_server.calls.rest import Rest
from resource_server.calls.transport import Transport
from resource_server.calls.users import RemoteUsers
from resource_server.edges.joined import Edges
from resource_server.platform import traces
from resource_server.platform.secret import Secret
from resource_server.settings import QUEUE, Settings


def _rpc(url: str, ca_file: Path | None) -> Transport:
    from resource_server.calls.rpc import Rpc  # noqa: PLC0415 - gRPC is an extra, loaded only where it is switched on

    return Rpc(url, ca_file)


TRANSPORTS: Mapping[str, Callable[[str, Path | None], Transport]] = {
    "http": Rest,
    "https": Rest,
    "grpc": _rpc,
    "grpcs": _rpc,
}
"""What carries calls, by the scheme of the URL that a service is asked at; `queue://SERVICE` goes through a broker instead."""
CALLERS: Mapping[str, str] = {"payments": "orders", "orders": "payments"}
"""Who asks each service: it is trusted to say for whom it acts there, and nowhere else."""
_LONGEST_CONTEXT = 120
_FAILURES, _LEFT_ALONE = 10, 2.0
"""After so many attempts in a row without an answer a service is left alone for so many seconds."""
_DEADLINES = 3
"""A call is given up after so many timeouts of one attempt."""


def service_key(settings: Settings, secret: Secret, service: str) -> ServiceKey:
    """The key of a service, which is made of the secret that the services share."""
    private, *others = map(Ed25519PrivateKey.from_private_bytes, secret.accepted(f"service {service}", b""))
    return ServiceKey(settings.client_id(service), private, others)


def trusted_callers(settings: Settings, secret: Secret) -> list[IssuerTrust]:
    """The services that call those of this process."""
    return [
        IssuerTrust(
            settings.client_id(CALLERS[service]),
            settings.audiences(service)[1],
            algorithms=("EdDSA",),
            jwks=service_key(settings, secret, CALLERS[service]).jwks(),
            types=frozenset({CONTEXT}),
            max_lifetime=_LONGEST_CONTEXT,
        )
        for service in settings.services
        if service in CALLERS
    ]


def join_remote(settings: Settings, secret: Secret, edges: Edges) -> None:
    """Join the services that are asked elsewhere, whatever this process has itself."""
    key = service_key(settings, secret, "orders")
    exchange = TokenExchange(settings.issuer, key, timeout=settings.call_timeout)
    if settings.users_url is not None:
        audience = settings.audiences("users")[1]
        edges.join(users=RemoteUsers(_caller(settings, settings.users_url), exchange, audience=audience))
    if settings.payments_url is not None:
        audience = settings.audiences("payments")[1]
        edges.join(payments=RemotePayments(_caller(settings, settings.payments_url), key, exchange, audience=audience))
    if settings.orders_url is not None:
        key, audience = service_key(settings, secret, "payments"), settings.audiences("orders")[1]
        source = settings.audiences("payments")[1]
        edges.join(orders=RemoteOrders(_caller(settings, settings.orders_url), key, audience=audience, source=source))


def _queued(settings: Settings, service: str) -> Transport:
    from resource_server.calls.lines import open_line  # noqa: PLC0415 - brokers are an extra, loaded only where one is switched on
    from resource_server.calls.messages import Messages, OwnWords  # noqa: PLC0415 - the same

    return OwnWords(Messages(open_line(settings.broker), service))


def _caller(settings: Settings, url: str) -> Caller:
    parts, timeout = urlsplit(url), settings.call_timeout
    queued = parts.scheme == QUEUE
    transport = (
        _queued(settings, str(parts.hostname)) if queued else TRANSPORTS[parts.scheme](url, settings.call_ca_file)
    )
    return Caller(
        transport,
        own_words=queued,
        timeout=timeout,
        deadline=_DEADLINES * timeout,
        budget=Budget(),
        breaker=Breaker(failures=_FAILURES, seconds=_LEFT_ALONE, now=time.monotonic),
        trace=traces.traceparent,
    )
