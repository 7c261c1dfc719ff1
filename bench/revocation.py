"""How fast a revocation reaches an API that validates by itself, and what the lists that tell of it cost."""

from __future__ import annotations

import math
import random
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask
from token_guard.status_list import read_status_list

from idp.clock import SystemClock
from idp.platform.db import Database
from idp.platform.schema import upgrade
from idp.tokens.status_list import StatusArray
from idp.tokens.status_list_indexes import StatusIndexes
from tests.resource_server.apis import Apis, open_apis

MILLION = 1_000_000
_SOON, _SELDOM, _GIVEN_UP = 0.01, 0.1, 60
_IN_A_ROW = 20
_URI = "https://id.example.com/oauth/status/1-0"
Figures = dict[str, float]


def reaching(folder: Path, rounds: int) -> Figures:
    """Seconds from the answer of a revocation to the 401 of the API, which has two workers: of the one that a push reaches first, of both
    then, and of both as lists are fetched."""
    with open_apis(folder, None, None, {"RS_WORKERS": "2"}) as apis:
        pushed, everywhere = zip(*(_until_refused(apis, _SOON) for _ in range(rounds)), strict=True)
        (receiver,) = apis.idp.cli("receiver", "list")
        apis.idp.cli("receiver", "delete", receiver["id"])
        with ThreadPoolExecutor(rounds) as pool:  # each at a moment of its own within the life of a list
            fetched = list(pool.map(lambda number: _after(number * 15 / rounds, apis), range(rounds)))
    return {**_spread("pushed", pushed), **_spread("everywhere", everywhere), **_spread("fetched", fetched)}


def _after(seconds: float, apis: Apis) -> float:
    time.sleep(seconds)
    return _until_refused(apis, _SELDOM)[1]


def _until_refused(apis: Apis, poll: float) -> tuple[float, float]:
    """When the first answer was a refusal, and since when all are, by whichever worker: each request has a connection of its own."""
    caller = apis.machine()
    assert caller.get("/v1/payments").status_code == 200
    assert apis.service.post("/oauth/revoke", token=caller.token).status_code == 200
    begin = time.monotonic()
    refused: list[float] = []
    first = None
    while len(refused) < _IN_A_ROW:
        spent = time.monotonic() - begin
        assert spent < _GIVEN_UP
        refused = [*refused, spent] if caller.get("/v1/payments").status_code == 401 else []
        first = first or next(iter(refused), None)
        time.sleep(poll)
    return first or refused[0], refused[0]


def _spread(how: str, seconds: Iterable[float]) -> Figures:
    ordered = sorted(seconds)
    last = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return {f"revocation {how} p50 s": ordered[len(ordered) // 2], f"revocation {how} p99 s": last}


def lists(repeats: int = 20) -> Figures:
    """A list of a million entries with one in a hundred revoked: its size, and what it takes to make and to read it."""
    array = StatusArray.sized(MILLION).invalidated(random.Random(7).sample(range(MILLION), MILLION // 100))
    lst, now = array.encoded(), time.time()
    claims = {"sub": _URI, "iat": now, "status_list": {"bits": 1, "lst": lst}}

    def read() -> object:
        return read_status_list(claims=claims, uri=_URI, now=now, skew=10, max_bytes=MILLION)

    return {
        "status list kB": len(lst) / 1000,
        "status list made ms": min(_milliseconds(array.encoded) for _ in range(repeats)),
        "status list read ms": min(_milliseconds(read) for _ in range(repeats)),
    }


def _milliseconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def handing_out(folder: Path, tokens: int) -> Figures:
    """Microseconds an index costs a client's own token, the leases of blocks in SQLite included."""
    database = Database(Flask("bench.indexes"), f"sqlite:///{folder / f'{secrets.token_hex(4)}.sqlite3'}")
    upgrade(database)
    indexes = StatusIndexes(database, SystemClock(), "https://id.example.com", lambda _tx, _client_id: None)
    begin = time.perf_counter()
    for _ in range(tokens):
        indexes.of_client("service")
    spent = time.perf_counter() - begin
    database.engine.dispose()
    return {"status index us": spent / tokens * 1e6}
