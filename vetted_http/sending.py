"""Sending a request to the one address that was vetted; the only module that speaks to `requests`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from vetted_http.addresses import Address
from vetted_http.answers import FetchError, Response

_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Bounds:
    """When the whole must be over (`time.monotonic`), how long one wait may last in seconds, and how large an answer may be."""

    deadline: float
    timeout: float
    max_bytes: int


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


def send(
    method: str,
    url: str,
    address: Address,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    bounds: Bounds,
    verify: str | bool,
) -> Response:
    """Send to this address and nowhere else; raises `FetchError`."""
    parts = urlsplit(url)
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
                timeout=bounds.timeout,
                allow_redirects=False,
                stream=True,
                verify=verify,
            ) as answer:
                return _read(answer, bounds)
        except (requests.Timeout, ReadTimeoutError) as error:
            raise FetchError("time") from error
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise FetchError("connect") from error


def _read(answer: requests.Response, bounds: Bounds) -> Response:
    if answer.is_redirect:
        raise FetchError("redirect")
    body = b""
    while chunk := answer.raw.read1(_CHUNK):  # what has arrived, however little: a slow server fills no chunk
        body += chunk
        if len(body) > bounds.max_bytes:
            raise FetchError("size")
        if time.monotonic() > bounds.deadline:
            raise FetchError("time")
    if answer.raw.length_remaining:
        raise FetchError("connect")
    return Response(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, body)
