"""REST: each action is a request of the other service's API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from resource_server.calls.transport import Call, Envelope, Reply
from resource_server.edges.faces import APP, Unreachable
from resource_server.platform import deadlines

CONNECT_SECONDS = 1.0
_MAX_ANSWER = 1024 * 1024
_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Route:
    """A request: arguments that the path names go there, the others into the query of a GET and the JSON of a POST."""

    method: str
    path: str


ROUTES: Mapping[str, Route] = {
    "payments.create": Route("POST", "/v2/payments"),
    "payments.find": Route("GET", "/v2/payments/{id}"),
    "payments.list": Route("GET", "/v2/payments"),
    "payments.give_back": Route("POST", "/v2/payments/{id}/reversals"),
    "payments.order_changed": Route("POST", "/v2/order-events"),
    "orders.payment_changed": Route("POST", "/v2/payment-events"),
    "users.find": Route("GET", "/v2/users/{id}"),
    "users.list": Route("GET", "/v2/users"),
    "users.recipient": Route("GET", "/v2/recipients/{id}"),
}


class Rest:
    """The API at `url`; its certificate is proved by the authorities of `ca_file`, or by the machine's."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        ca_certs = str(ca_file) if ca_file else None
        self._pool = urllib3.PoolManager(num_pools=2, maxsize=_CONNECTIONS, retries=False, ca_certs=ca_certs)

    def carry(self, call: Call, envelope: Envelope) -> Reply:
        route = ROUTES[call.action]
        path, arguments = placed(route.path, call.arguments)
        reading = route.method == "GET"
        query = f"?{urlencode(arguments)}" if reading and arguments else ""
        try:
            answer = self._pool.request(
                route.method,
                f"{self._url}{path}{query}",
                body=None if reading else json.dumps(arguments).encode(),
                headers=_headers(call, envelope, reading=reading),
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, envelope.seconds), total=envelope.seconds),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(type(error).__name__) from error
        return Reply(answer.status, _document(answer.data))


def placed(path: str, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The path with its arguments, and those it did not name."""
    rest = dict(arguments)
    for name in arguments:
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
    return path, rest


def _headers(call: Call, envelope: Envelope, *, reading: bool) -> dict[str, str]:
    headers = {
        "Authorization": f"Bearer {envelope.credential}",
        "Accept": "application/json",
        deadlines.HEADER: f"{envelope.seconds:.3f}",
    }
    if not reading:
        headers["Content-Type"] = "application/json"
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
    if call.app is not None:
        headers[APP] = call.app
    if envelope.traceparent is not None:
        headers["traceparent"] = envelope.traceparent
    return headers


def _document(data: bytes) -> Mapping[str, Any]:
    """The JSON object of an answer; what is none came from something in between."""
    if not data:
        return {}
    try:
        document = json.loads(data) if len(data) <= _MAX_ANSWER else None
    except ValueError as error:
        raise Unreachable("no JSON") from error
    if not isinstance(document, dict):
        raise Unreachable("no JSON object")
    return document
