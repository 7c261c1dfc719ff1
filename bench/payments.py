"""Payments: how many a second are taken while the provider needs its time, and what lists and look-ups cost beside a million of them."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench import load
from bench.load import expect
from tests.resource_server.apis import Apis, Caller, open_apis, serve, simulator
from tests.support.ports import free_port

_LATENCY = "0.2"
_WARM_UP = 20
_MOST_PAID = 100
_OWN = 1000
"""How many of the many are the caller's."""
_FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO payments (id, owner, client_id, order_id, method, capture, value, currency, status, captured_value, refunded_value, attempt,
    created_at, updated_at, version)
SELECT printf('pay_%026d', n), CASE WHEN n % :every THEN 'person-' || (n % 50000) ELSE :owner END, 'app', printf('ord_%026d', n), 'pm_card',
    'automatic', 1234, 'EUR', 'succeeded', 1234, 0, printf('op_%026d', n), 1.7e9, 1.7e9, 3 FROM numbers
"""
Figures = dict[str, float]


@dataclass(slots=True)
class Pays:
    """A payment after the other, each under a key of its own; `status` is what each must be answered with."""

    token: str
    status: bytes
    prefer: str

    def first(self) -> bytes:
        return self._next()

    def next(self, head: bytes, body: bytes) -> tuple[bytes, bool]:
        expect(head, body, self.status)
        return self._next(), True

    def _next(self) -> bytes:
        body = json.dumps({"amount": {"value": 1234, "currency": "EUR"}})
        lines = [
            *("POST /v2/payments HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"),
            *(f"Authorization: Bearer {self.token}", f"Idempotency-Key: {secrets.token_hex(8)}", self.prefer),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def taken(folder: Path, seconds: float) -> Figures:
    """Payments a second, acknowledged at once and waited for, from a provider that needs 0.2 s for each."""
    with _services(folder, _LATENCY) as (apis, url, _place):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        waited = Pays(apis.person().token, b"201", "Prefer: wait=10")
        acknowledged = Pays(apis.person().token, b"202", "Prefer: respond-async")
        return {
            "payments/s, waited for": load.run(address, lambda _number: waited, seconds=seconds).rate,
            "payments/s, acknowledged": load.run(address, lambda _number: acknowledged, seconds=seconds).rate,
        }


def waiting(folder: Path, calls: int) -> Figures:
    """Milliseconds of the slowest twentieth of what a client waits for: a read, and a payment v1 makes, from a provider that needs 0.2 s."""
    payment = {"amount": "12.34", "currency": "EUR"}
    with _services(folder, _LATENCY) as (apis, url, _place):
        person = Caller(url, apis.person().token)
        return {
            "a read p95 ms": _p95(person, "/v2/orders", calls),
            "a payment of v1 p95 ms": _p95(person, "/v1/payments", min(calls, _MOST_PAID), json=payment),
        }


def growth(folder: Path, calls: int, count: int) -> Figures:
    """Milliseconds of the slowest twentieth of calls: a person's list and one payment, among a hundred and among `count`."""
    figures: Figures = {}
    with _services(folder, "0") as (apis, url, place):
        name = apis.new_person()
        person = Caller(url, apis.caller(name).token)
        for words, many, every in (("a hundred", 100, 1), ("a million", count, max(1, count // _OWN))):
            _fill(place, many, apis.subjects[name], every=every)
            for what, path in (("list", "/v2/payments"), ("look-up", f"/v2/payments/pay_{many:026}")):
                figures[f"payment {what} p95 ms, {words}"] = _p95(person, path, calls)
    return figures


@contextmanager
def _services(folder: Path, latency: str) -> Iterator[tuple[Apis, str, Path]]:
    """Everything, the address of services on SQLite with a provider of this latency, and where their payments lie."""
    url = f"http://127.0.0.1:{free_port()}"
    nowhere = "http://127.0.0.1:9/none"
    with open_apis(folder, None, None) as apis, simulator(folder, nowhere, latency=latency) as provider:
        settings = {"RS_AUDIENCE": apis.url, "RS_PROVIDER_URL": provider, "RS_DATA_DIR": str(folder / "measured")}
        process = serve(apis.idp, folder, url, **settings)
        try:
            yield apis, url, folder / "measured" / "resource-server-payments.sqlite3"
        finally:
            process.stop()


def _fill(place: Path, count: int, owner: str, *, every: int) -> None:
    """So many payments in place of those there are; each `every`th is the owner's."""
    database = sqlite3.connect(place)
    with database:
        database.execute("DELETE FROM payments")
        database.execute(_FILL, {"count": count, "every": every, "owner": owner})
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def _p95(caller: Caller, path: str, calls: int, **sent: Any) -> float:
    """Of GETs, or of POSTs where there is something to send."""
    method = "POST" if sent else "GET"
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {caller.token}"
        found = []
        for _ in range(calls + _WARM_UP):
            begin = time.perf_counter()
            assert http.request(method, f"{caller.api}{path}", timeout=30, **sent).ok
            found.append(time.perf_counter() - begin)
    return sorted(found[_WARM_UP:])[int(calls * 0.95)] * 1000
