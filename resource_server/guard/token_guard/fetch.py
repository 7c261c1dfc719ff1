"""Fetching an issuer's documents: bounded in time and size, no redirects, https but for loopback."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from token_guard.trust import IssuerTrust, JwksPolicy, check_url, metadata_url

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])", re.IGNORECASE)
_CHUNK = 16 * 1024


class FetchError(Exception):
    """The document could not be had."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document and for how many seconds its server lets it be cached, if it said so."""

    body: bytes
    max_age: float | None


FetchJwks = Callable[[IssuerTrust], Fetched]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler({}))


def fetch_jwks(trust: IssuerTrust) -> Fetched:
    """The issuer's JWKS, from `jwks_uri` or the one its metadata names; raises `FetchError`."""
    deadline = time.monotonic() + trust.policy.total_timeout
    return get(trust.jwks_uri or _discovered(trust, deadline), trust.policy, deadline)


def _discovered(trust: IssuerTrust, deadline: float) -> str:
    try:
        document = json.loads(get(metadata_url(trust.issuer), trust.policy, deadline).body)
        if document["issuer"] != trust.issuer:
            raise FetchError("the metadata is of another issuer")
        return check_url(str(document["jwks_uri"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FetchError("the metadata names no usable jwks_uri") from error


def get(url: str, policy: JwksPolicy, deadline: float) -> Fetched:
    """One GET; raises `FetchError` for anything but a whole 200 answer in time."""
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "token_guard"})  # noqa: S310
    try:
        with _OPENER.open(request, timeout=policy.connect_timeout) as answer:
            if answer.status != 200:
                raise FetchError(f"status {answer.status}")
            return Fetched(_read(answer, policy, deadline), _max_age(answer.headers.get("Cache-Control", "")))
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(type(error).__name__) from error


def _read(answer: Any, policy: JwksPolicy, deadline: float) -> bytes:
    body = b""
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > policy.max_bytes:
            raise FetchError("too large")
        if time.monotonic() > deadline:
            raise FetchError("too slow")
    return body


def _max_age(header: str) -> float | None:
    found = _MAX_AGE.search(header)
    return float(found.group(1)) if found else None
