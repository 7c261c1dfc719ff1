"""Acting for a person: their token becomes one for the next service, narrowed to what is done there (RFC 8693); and for oneself."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import urllib3
from token_guard.trust import metadata_urls

from resource_server.calls.identity import ServiceKey
from resource_server.calls.rest import CONNECT_SECONDS
from resource_server.edges.faces import Refused, Unreachable
from resource_server.platform import deadlines, traces

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
OWN = "client_credentials"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_USED = 0.8
_MOST_KEPT = 1000


class TokenExchange:
    """The issuer's token endpoint, as the service of `key` uses it. What it gave is used again until four fifths of its life are over."""

    def __init__(self, issuer: str, key: ServiceKey, *, timeout: float, now: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._key = key
        self._now = now
        self._timeout = timeout
        self._pool = urllib3.PoolManager(num_pools=2, maxsize=8, retries=False)
        self._endpoint: str | None = None
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._lock = Lock()

    def token(
        self,
        subject_token: str,
        *,
        audience: str,
        scope: str,
        details: Sequence[Mapping[str, Any]] = (),
        fresh: bool = False,
    ) -> str:
        """A token for this audience, on behalf of whom `subject_token` speaks for; raises `Refused` and `Unreachable`.

        `details`: no more of what that token allows in detail (RFC 9396 §6).
        """
        form = {
            "grant_type": GRANT_TYPE,
            "subject_token": subject_token,
            "subject_token_type": _ACCESS_TOKEN,
            "audience": audience,
            "scope": scope,
            **({"authorization_details": json.dumps(list(details))} if details else {}),
        }
        return self._given(form, fresh=fresh)

    def own_token(self, *, audience: str, scope: str, fresh: bool = False) -> str:
        """A token for this audience with which the service speaks for itself (RFC 6749 §4.4); raises `Refused` and `Unreachable`."""
        return self._given({"grant_type": OWN, "resource": audience, "scope": scope}, fresh=fresh)

    def _given(self, form: Mapping[str, str], *, fresh: bool) -> str:
        named = hashlib.sha256(json.dumps(sorted(form.items())).encode()).hexdigest()
        with self._lock:
            until, token = self._kept.get(named, (0.0, ""))
        if until > self._now() and not fresh:
            return token
        answer = self._asked(form)
        token = str(answer["access_token"])
        with self._lock:
            self._kept[named] = self._now() + _USED * float(answer.get("expires_in", 0)), token
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return token

    def _asked(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        form = {
            **asked,
            "client_id": self._key.client_id,
            "client_assertion_type": _ASSERTION,
            "client_assertion": self._key.assertion(self._issuer),
        }
        status, document = self._sent("POST", self._token_endpoint(), urlencode(form).encode())
        if status == 200 and "access_token" in document:
            return document
        if status >= 500 or status == 429:
            raise Unreachable(f"the issuer answers {status}")
        raise Refused(str(document.get("error", status)), str(document.get("error_description", "")))

    def _token_endpoint(self) -> str:
        """As the issuer's metadata says (RFC 8414), asked for once."""
        if self._endpoint is None:
            status, document = self._sent("GET", metadata_urls(self._issuer)[0], None)
            if status != 200 or document.get("issuer") != self._issuer:
                raise Unreachable("the issuer's metadata")
            self._endpoint = str(document["token_endpoint"])
        return self._endpoint

    def _sent(self, method: str, url: str, body: bytes | None) -> tuple[int, Mapping[str, Any]]:
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, total=deadlines.left(self._timeout))
        try:
            headers = {**(_FORM if body else {}), **traces.headers()}
            answer = self._pool.request(method, url, body=body, headers=headers, timeout=timeout, redirect=False)
            document = json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise Unreachable(type(error).__name__) from error
        return answer.status, document if isinstance(document, dict) else {}
