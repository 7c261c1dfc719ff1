"""Fetching an issuer's documents: bounded in time and size, no redirects, no proxies of the environment, https but for loopback."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from token_guard.connections import open_connection, target_of
from token_guard.outbound import Limits, check_url
from token_guard.trust import IssuerTrust, metadata_urls

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])", re.IGNORECASE)
_CHUNK = 16 * 1024
_HEADERS = {"User-Agent": "token_guard", "Accept": "application/json", "Accept-Encoding": "identity"}


class FetchError(Exception):
    """The document could not be had; `status` is that of an answer that was not what was asked for, else 0."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document and for how many seconds its server lets it be cached, if it said so. Not modified: `body` is None."""

    body: bytes | None
    max_age: float | None = None
    etag: str | None = None


FetchJwks = Callable[[IssuerTrust], Fetched]


def fetch_jwks(trust: IssuerTrust) -> Fetched:
    """The issuer's JWKS: at hand, or from `jwks_uri` or the one its metadata names; raises `FetchError`."""
    if trust.jwks is not None:
        return Fetched(json.dumps(dict(trust.jwks)).encode())
    limits, deadline = trust.policy.limits, time.monotonic() + trust.policy.total_timeout
    return get(trust.jwks_uri or _discovered(trust, deadline), limits, deadline=deadline)


def _discovered(trust: IssuerTrust, deadline: float) -> str:
    limits = trust.policy.limits
    first, second = metadata_urls(trust.issuer)
    try:
        fetched = get(first, limits, deadline=deadline)
    except FetchError as error:
        if error.status != 404:
            raise
        fetched = get(second, limits, deadline=deadline)
    try:
        document = json.loads(fetched.body or b"")
        if document["issuer"] != trust.issuer:
            raise FetchError("the metadata is of another issuer")
        return check_url(str(document["jwks_uri"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FetchError("the metadata names no usable jwks_uri") from error


def get(
    url: str,
    limits: Limits,
    *,
    deadline: float | None = None,
    accept: str = "application/json",
    etag: str | None = None,
) -> Fetched:
    """One GET, conditional on `etag` if given; raises `FetchError` for anything but a whole 200 (or then 304) in time.

    What is asked for is wanted as it is now, so caches on the way are told to ask, too (RFC 9111 §5.2.1.4).
    """
    headers = {"Accept": accept, "Cache-Control": "no-cache", **({"If-None-Match": etag} if etag else {})}
    until = time.monotonic() + limits.total_timeout if deadline is None else deadline
    return _exchange(url, headers, limits, until, conditional=etag is not None)


def _exchange(url: str, headers: Mapping[str, str], limits: Limits, deadline: float, *, conditional: bool) -> Fetched:
    try:
        parts = urlsplit(check_url(url))
        connection = open_connection(parts, limits, deadline)
        try:
            connection.request("GET", target_of(parts), headers={**_HEADERS, **headers, "Connection": "close"})
            with connection.getresponse() as answer:
                if answer.status == 304 and conditional:
                    return Fetched(None, _max_age(answer), answer.headers.get("ETag"))
                if answer.status != 200:
                    raise FetchError(f"status {answer.status}", answer.status)
                return Fetched(_read(answer, limits), _max_age(answer), answer.headers.get("ETag"))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(type(error).__name__) from error


def _read(answer: http.client.HTTPResponse, limits: Limits) -> bytes:
    """The whole body: what has arrived is read as it comes, so that a bound is seen early."""
    body = b""
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > limits.max_bytes:
            raise FetchError("too large")
    if answer.length:
        raise FetchError("cut off")
    return body


def _max_age(answer: http.client.HTTPResponse) -> float | None:
    found = _MAX_AGE.search(answer.headers.get("Cache-Control", ""))
    return float(found.group(1)) if found else None
