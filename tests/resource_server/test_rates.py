"""Budgets of requests: told in every answer, one for both versions, and 429 when they are spent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.resource_server.apis import Apis, Caller, problem, serve
from tests.support.servers import free_port

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
