"""Budgets of requests: told in every answer, one for both versions, and 429 when they are spent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resource_server.platform.shared_counts import SharedCounts
from tests.resource_server.apis import Apis, Caller, problem, serve
from tests.support.ports import free_port

ORDER = {"lines": [{"sku": "A-1", "quantity": 1, "unit_price": "2.50"}], "currency": "EUR"}


@pytest.fixture(scope="module")
def strict(apis: Apis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node that lets five reads and two writes a minute through."""
    url = f"http://127.0.0.1:{free_port()}"
    limits = {"RS_RATE_READS": "5", "RS_RATE_WRITES": "2"}
    process = serve(apis.idp, tmp_path_factory.mktemp("strict"), url, RS_AUDIENCE=apis.url, **limits)
    yield url
    process.stop()


def test_each_answer_says_what_is_left_and_the_one_too_many_is_refused(apis: Apis, strict: str) -> None:
    caller = Caller(strict, apis.person().token)
    for left in (4, 3, 2, 1, 0):
        response = caller.get("/v1/orders")
        assert response.status_code == 200
        assert response.headers["RateLimit-Policy"] == '"orders-read";q=5;w=60'
        assert response.headers["RateLimit"].startswith(f'"orders-read";r={left};t=')
    refused = caller.get("/v1/orders")
    assert problem(refused, 429, "too_many_requests")["retryable"] is True
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"orders-read";r=0;t=')
    assert caller.get("/v1/payments").status_code == 200, "each service has a budget of its own"


def test_writes_and_other_callers_have_budgets_of_their_own(apis: Apis, strict: str) -> None:
    one, other = (Caller(strict, apis.person().token) for _ in range(2))
    assert [one.post("/v1/orders", ORDER).status_code for _ in range(3)] == [201, 201, 429]
    assert other.post("/v1/orders", ORDER).status_code == 201
    assert one.get("/v1/orders").json()["total"] == 2


def test_a_refused_problem_spends_too(apis: Apis, strict: str) -> None:
    caller = Caller(strict, apis.person().token)
    response = caller.get("/v1/orders/ord_x")
    problem(response, 404, "not_found")
    assert '"orders-read";r=4' in response.headers["RateLimit"]


def test_without_a_limit_nothing_is_said_of_one(somebody: Caller) -> None:
    assert "RateLimit" not in somebody.get("/v1/orders").headers


def test_the_workers_of_a_server_share_a_budget(apis: Apis, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    process = serve(apis.idp, tmp_path, url, RS_AUDIENCE=apis.url, RS_WORKERS="3", RS_RATE_READS="20")
    try:
        token = apis.person().token
        with ThreadPoolExecutor(12) as pool:  # each request on a connection of its own, so that every worker gets some
            statuses = list(pool.map(lambda _: Caller(url, token).get("/v1/orders").status_code, range(60)))
    finally:
        process.stop()
    assert sorted(statuses) == [*[200] * 20, *[429] * 40]


COUNTING = """
import sys
from pathlib import Path
from resource_server.platform.shared_counts import SharedCounts
counts = SharedCounts(Path(sys.argv[1]))
for _ in range(2000):
    counts.add("one", now=1000.0, window=60)
"""


def test_nothing_counted_by_processes_at_once_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNTING, str(tmp_path / "counts")]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    counts = SharedCounts(tmp_path / "counts")
    assert counts.add("one", now=1059.9, window=60) == (1000.0, 8001)
    assert counts.add("one", now=1060.0, window=60) == (1060.0, 1), "the window is over"
    assert counts.add("one", now=1059.9, window=60) == (1060.0, 2), "who looked at the clock first came last"
    assert counts.add("one", now=5.0, window=60) == (5.0, 1), "the machine was started anew"


def test_many_callers_cost_no_more_room_and_the_newest_count(tmp_path: Path) -> None:
    counts = SharedCounts(tmp_path / "counts")
    counts.add("first", now=0.0, window=60)
    size = (tmp_path / "counts").stat().st_size
    for number in range(100_000):
        counts.add(f"caller {number}", now=1.0 + number / 100_000, window=60)
    assert (tmp_path / "counts").stat().st_size == size
    assert counts.add("caller 99999", now=2.0, window=60)[1] == 2
