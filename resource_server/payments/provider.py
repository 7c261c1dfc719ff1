"""The payment provider as we call it: every effect under an idempotency key of ours, and a question that is safe to ask again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from resource_server.api.money import Money
from resource_server.platform import traces

_MAX_ANSWER = 64 * 1024
_PAGE = 100


class ProviderDown(Exception):
    """No answer, or none that says what happened: it may have, so ask before trying again."""


class State(StrEnum):
    """What became of a request."""

    SUCCEEDED = "succeeded"
    AUTHORIZED = "authorized"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request, why it was declined, and where the payer has to act."""

    state: State
    reason: str | None = None
    action_url: str | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Outcome:
        """From the provider's JSON; raises `ProviderDown` for what makes no sense."""
        try:
            reason, state = document.get("reason"), State(document["state"])
            return cls(state, reason[:64] if isinstance(reason, str) else None, _page(document.get("action_url")))
        except (KeyError, ValueError, TypeError) as error:
            raise ProviderDown("an answer that cannot be read") from error


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge in the provider's books: `key` is the attempt it was made with, `reference` the payment it is for; values in minor units."""

    key: str
    reference: str
    value: int
    currency: str
    state: str
    captured: int
    refunded: int

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Charge:
        """From the provider's JSON; raises `ProviderDown` for what makes no sense."""
        try:
            texts = [str(document[name]) for name in ("key", "reference", "currency", "state")]
            numbers = [int(document[name]) for name in ("value", "captured", "refunded")]
        except (KeyError, ValueError, TypeError) as error:
            raise ProviderDown("a charge that cannot be read") from error
        key, reference, currency, state = texts
        return cls(key, reference, numbers[0], currency, state, numbers[1], numbers[2])


class Provider:
    """Calls the provider at `url` with its secret, which may change; `timeout` in seconds. May be used by many threads."""

    def __init__(self, url: str, secret: str, *, timeout: float, connections: int) -> None:
        self._url = url.rstrip("/")
        self.change_secret(secret)
        self._pool = urllib3.PoolManager(
            num_pools=2, maxsize=connections, block=False, retries=False, timeout=urllib3.Timeout(total=timeout)
        )

    def change_secret(self, secret: str) -> None:
        """Be known by this one from the next request on."""
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def charge(self, key: str, money: Money, *, capture: bool, method: str, reference: str) -> Outcome:
        """Charge, or only authorize."""
        body = {"amount": money.document(), "capture": capture, "method": method, "reference": reference}
        return self._post("/charges", key, body)

    def change(self, what: str, charge: str, key: str, money: Money) -> Outcome:
        """`captures`, `cancellations` or `refunds` of a charge, which is named by the key it was made with."""
        return self._post(f"/charges/{quote(charge, safe='')}/{what}", key, {"amount": money.document()})

    def find(self, key: str) -> Outcome | None:
        """What became of the request with this key; None when it never arrived."""
        status, document = self._send("GET", f"/requests/{quote(key, safe='')}", None, None)
        return None if status == 404 else Outcome.parse(document)

    def charges(self) -> Iterator[list[Charge]]:
        """The provider's books, a page at a time, the oldest charge first."""
        after: str | None = "0"
        while after is not None:
            status, document = self._send("GET", f"/charges?{urlencode({'after': after, 'limit': _PAGE})}", None, None)
            if status != 200 or not isinstance(document, dict):
                raise ProviderDown("no books")
            yield [Charge.parse(one) for one in document.get("charges", [])]
            following = document.get("next")
            after = following if isinstance(following, str) else None

    def _post(self, path: str, key: str, body: Mapping[str, Any]) -> Outcome:
        status, document = self._send("POST", path, key, body)
        if status == 404:
            return Outcome(State.DECLINED, "unknown_charge")
        return Outcome.parse(document)

    def _send(self, method: str, path: str, key: str | None, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        headers = {**self._headers, **traces.headers(), **({} if key is None else {"Idempotency-Key": key})}
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(method, f"{self._url}{path}", body=data, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise ProviderDown(type(error).__name__) from error
        if answer.status not in {200, 201, 402, 404} or len(answer.data) > _MAX_ANSWER:
            raise ProviderDown(f"status {answer.status}")
        try:
            return answer.status, json.loads(answer.data)
        except ValueError as error:
            raise ProviderDown("no JSON") from error


def _page(url: object) -> str | None:
    """The address, when it is one that a browser may be sent to."""
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None
