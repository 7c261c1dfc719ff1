"""Configuration servers over HTTP: OpenBao or Vault with its KV store, version 2, and whatever speaks like Spring Cloud Config."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

_TIMEOUT = 3.0
_MAX_ANSWER = 1024 * 1024
_PLAIN_HOSTS = frozenset({"localhost"})


class ServerError(Exception):
    """The server gave nothing to go by; `away`: it may do so later, and a copy does until then."""

    def __init__(self, reason: str, *, away: bool) -> None:
        super().__init__(reason)
        self.away = away


@dataclass(frozen=True, slots=True)
class Place:
    """A server and what is asked of it: `KIND+https://HOST[:PORT]/PATH`."""

    kind: str
    url: SplitResult

    @classmethod
    def of(cls, text: str) -> Place:
        """Raises `ValueError`. Tokens and secrets travel, so plain http is for loopback."""
        kind, plus, rest = text.partition("+")
        url = urlsplit(rest)
        parts = [part for part in url.path.split("/") if part]
        usable = kind in _READERS and plus and url.hostname and url.username is None and len(parts) >= 2
        if not usable or not (url.scheme == "https" or (url.scheme == "http" and _is_loopback(str(url.hostname)))):
            raise ValueError("must be vault+https://HOST/MOUNT/PATH or spring+https://HOST/APPLICATION/PROFILE")
        return cls(kind, url)

    def read(self, token: str | None, ca_file: Path | None) -> dict[str, str]:
        """What the server says now, by the names it uses; raises `ServerError`."""
        return _READERS[self.kind](self.url, token, ca_file)

    def ask(
        self, method: str, path: str, token: str | None, ca_file: Path | None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """One request of the HTTP API of OpenBao or Vault, below `/v1`; raises `ServerError`."""
        return _sent(self.url, method, f"/v1{quote(path)}", _vault_headers(token), ca_file, body)


def _vault(url: SplitResult, token: str | None, ca_file: Path | None) -> dict[str, str]:
    """`GET /v1/MOUNT/data/PATH`: the newest version of one secret, whose members are settings."""
    mount, _, path = url.path.strip("/").partition("/")
    document = _sent(url, "GET", f"/v1/{quote(mount)}/data/{quote(path)}", _vault_headers(token), ca_file)
    try:
        return _texts(document["data"]["data"])
    except (KeyError, TypeError) as error:
        raise ServerError("its answer is no secret of KV version 2", away=False) from error


def _spring(url: SplitResult, token: str | None, ca_file: Path | None) -> dict[str, str]:
    """`GET /APPLICATION/PROFILE[/LABEL]`: property sources, the most special one first."""
    headers = {"Accept": "application/json", **_authorization(token)}
    document = _sent(url, "GET", quote(url.path), headers, ca_file)
    try:
        found: dict[str, str] = {}
        for source in reversed(document["propertySources"]):
            found.update(_texts(source["source"]))
        return found
    except (KeyError, TypeError) as error:
        raise ServerError("its answer has no property sources", away=False) from error


_READERS = {"vault": _vault, "spring": _spring}


def _vault_headers(token: str | None) -> dict[str, str]:
    return {"X-Vault-Request": "true", **({"X-Vault-Token": token} if token else {})}


def _authorization(token: str | None) -> dict[str, str]:
    if not token:
        return {}
    if ":" in token:
        return {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()}
    return {"Authorization": f"Bearer {token}"}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in dict(values).items()}


def _sent(
    url: SplitResult,
    method: str,
    path: str,
    headers: Mapping[str, str],
    ca_file: Path | None,
    body: Mapping[str, Any] | None = None,
) -> Any:
    """One answer as JSON, None where it has no content. Redirects are not followed: the token is for this server."""
    connection = _connection(url, ca_file)
    data = None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, body=data, headers=dict(headers))
        answer = connection.getresponse()
        content = answer.read(_MAX_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise ServerError(f"it does not answer ({type(error).__name__})", away=True) from error
    finally:
        connection.close()
    if answer.status == 204:
        return None
    if answer.status != 200:  # a sealed store says 503, a wrong token 403, a path that is none 404
        raise ServerError(f"it answers {answer.status}", away=answer.status >= 500 or answer.status == 429)
    try:
        return json.loads(content)
    except ValueError as error:
        raise ServerError("its answer is no JSON", away=False) from error


def _connection(url: SplitResult, ca_file: Path | None) -> http.client.HTTPConnection:
    host = str(url.hostname)
    if url.scheme == "http":
        return http.client.HTTPConnection(host, url.port, timeout=_TIMEOUT)
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    return http.client.HTTPSConnection(host, url.port, timeout=_TIMEOUT, context=context)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _PLAIN_HOSTS
