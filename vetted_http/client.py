"""The client: one request, one vetted address, bounded in time and size."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from vetted_http.addresses import Address, Network, is_allowed, resolve
from vetted_http.answers import FetchError, Response


class Client:
    """`timeout` bounds a whole request in seconds, `max_bytes` its answer. Who asks is within `waiting` meanwhile."""

    def __init__(
        self,
        *,
        allow: Sequence[Network] = (),
        ca_file: Path | None = None,
        timeout: float = 5.0,
        max_bytes: int = 64 * 1024,
        waiting: AbstractContextManager[object] | None = None,
    ) -> None:
        self._allow = allow
        self._verify: str | bool = str(ca_file) if ca_file else True
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._waiting = waiting or nullcontext()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """Fetch; raises `FetchError`."""
        return self._send("GET", url, headers or {}, None)

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        """Post; raises `FetchError`."""
        return self._send("POST", url, headers or {}, body)

    def vet(self, url: str) -> None:
        """Whether the URL may be reached, without reaching it; raises `FetchError`. A later request judges anew."""
        self._vetted(_parsed(url))

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        from vetted_http.sending import Bounds, send  # noqa: PLC0415 - requests, which most processes never need

        bounds = Bounds(time.monotonic() + self._timeout, self._timeout, self._max_bytes)
        with self._waiting:
            address = self._vetted(_parsed(url))
            return send(method, url, address, headers, body, bounds=bounds, verify=self._verify)

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


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and parts.port != 0
    except ValueError as error:
        raise FetchError("url") from error
    if not usable:
        raise FetchError("url")
    return parts
