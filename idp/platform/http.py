"""HTTP without a framework: what came in (`Call`) and what goes out (`Answer`).

Protocol endpoints are functions from one to the other, so the same code answers through Flask and through the short WSGI path in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from idp.platform.jsontext import compact

JSON = "application/json"
NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_JSON_HEADERS: Mapping[str, str] = {"Content-Type": JSON, **NO_STORE}


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The X.509 certificate (DER) whose key the client proved to hold in TLS; `verified`: the handshake verified its chain too."""

    der: bytes
    verified: bool


class Call(NamedTuple):
    """One request, already within the size limits. (Tuples, since every request makes a few: frozen dataclasses take three times as long.)

    `headers` has lower-case names. `peer` is the client's address after trusted proxies are taken away.
    `certificate` is the client's own, from where it can be believed.
    `query` and `body` are raw bytes; `idp.platform.forms` parses them strictly.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    peer: str
    request_id: str
    certificate: ClientCertificate | None = None


class Answer(NamedTuple):
    """One response. `headers` are sent as given; `Content-Length` is added by the server."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = _NO_HEADERS


Endpoint = Callable[[Call], Answer]


def json_answer(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON answer that no cache keeps (RFC 6749 §5.1) unless `headers` says otherwise."""
    body = compact(document)
    return Answer(status, body, _JSON_HEADERS if headers is None else {**_JSON_HEADERS, **headers})
