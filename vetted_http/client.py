"""The client: one request, one vetted address, bounded in time and size."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from vetted_http.addresses import Address, Network, is_allowed, resolve

_CHUNK = 8192


class FetchError(Exception):
    """The request was refused or failed; `kind` is a word for logs: url, address, connect, time, size, redirect."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Response:
    """What came back; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Pinned(HTTPAdapter):
    """Connects to one address, while TLS and the Host header keep the name."""

    def __init__(self, host: str, address: Address) -> None:
        self._host = host
        self._address = str(address)
        super().__init__(max_retries=0)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        host["host"] = self._address
        if host["scheme"] == "https":
            pinned: dict[str, Any] = {"assert_hostname": self._host, "server_hostname": self._host}
            return host, {**pool, **pinned}
        return host, pool


class Client:
    """`timeout` bounds a whole request in seconds, `max_bytes` its answer."""

    def __init__(
        self,
        *,
        allow: Sequence[Network] = (),
        ca_file: Path | None = None,
        timeout: float = 5.0,
        max_bytes: int = 64 * 1024,
    ) -> None:
        self._allow = allow
        self._verify: str | bool = str(ca_file) if ca_file else True
        self._timeout = timeout
        self._max_bytes = max_bytes

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """Fetch; raises `FetchError`."""
        return self._send("GET", url, headers or {}, None)

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        """Post; raises `FetchError`."""
        return self._send("POST", url, headers or {}, body)

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        deadline = time.monotonic() + self._timeout
        parts = _parsed(url)
        address = self._vetted(parts)
        host_header = parts.netloc.rpartition("@")[2]
        with requests.Session() as session:
            session.trust_env = False
            session.mount(f"{parts.scheme}://", _Pinned(parts.hostname or "", address))
            try:
                with session.request(
                    method,
                    url,
                    data=body,
                    headers={"User-Agent": "idp", "Accept-Encoding": "identity", **headers, "Host": host_header},
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                    verify=self._verify,
                ) as answer:
                    return self._read(answer, deadline)
            except (requests.Timeout, ReadTimeoutError) as error:
                raise FetchError("time") from error
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                raise FetchError("connect") from error

    def _vetted(self, parts: SplitResult) -> Address:
        """The first address, when every address of the name may be reached: a name with a mixed answer is refused whole."""
        try:
            found = resolve(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        except (OSError, ValueError) as error:
            raise FetchError("connect") from error
        if not found or not all(is_allowed(address, self._allow) for address in found):
            raise FetchError("address")
        if parts.scheme == "http" and not all(any(address in network for network in self._allow) for address in found):
            raise FetchError("url")
        return found[0]

    def _read(self, answer: requests.Response, deadline: float) -> Response:
        if answer.is_redirect:
            raise FetchError("redirect")
        body = b""
        while chunk := answer.raw.read1(_CHUNK):  # what has arrived, however little: a slow server fills no chunk
            body += chunk
            if len(body) > self._max_bytes:
                raise FetchError("size")
            if time.monotonic() > deadline:
                raise FetchError("time")
        if answer.raw.length_remaining:
            raise FetchError("connect")
        return Response(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, body)


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and parts.port != 0
    except ValueError as error:
        raise FetchError("url") from error
    if not usable:
        raise FetchError("url")
    return parts
