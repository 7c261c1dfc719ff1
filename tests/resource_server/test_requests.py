"""What holds for every request: traces, what it may ask to be answered in, and what a problem's type leads to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import requests

import resource_server
from resource_server.api.catalogue import CATALOGUE
from tests.resource_server.apis import Apis, Caller, problem

TRACE = "0af7651916cd43dd8448eb211c80319c"
SOURCES = Path(resource_server.__file__).parent


def test_a_trace_is_taken_over_and_passed_on(somebody: Caller) -> None:
    given = f"00-{TRACE}-b7ad6b7169203331-01"
    response = somebody.get("/v1/none", headers={"traceparent": given})
    assert problem(response, 404, "not_found")["trace_id"] == TRACE
    told = re.fullmatch(rf"00-{TRACE}-([0-9a-f]{{16}})-01", response.headers["traceparent"])
    assert told is not None
    assert told.group(1) != "b7ad6b7169203331"


@pytest.mark.parametrize(
    "given",
    ["", "x", f"ff-{TRACE}-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01"],
)
def test_a_trace_that_is_none_is_begun_anew(somebody: Caller, given: str) -> None:
    response = somebody.get("/v1/orders", headers={"traceparent": given})
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", response.headers["traceparent"])
    assert TRACE not in response.headers["traceparent"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;q=0", "image/*"])
def test_another_format_is_not_to_be_had(somebody: Caller, accept: str) -> None:
    problem(somebody.get("/v1/orders", headers={"Accept": accept}), 406, "not_acceptable")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "text/html, application/json;q=0.1", "application/problem+json"]
)
def test_a_format_that_fits_is(somebody: Caller, accept: str) -> None:
    assert somebody.get("/v1/orders", headers={"Accept": accept}).status_code == 200


def test_the_type_of_a_problem_leads_to_what_it_means(apis: Apis, somebody: Caller) -> None:
    kind = problem(somebody.get("/v1/orders/x"), 404, "not_found")
    told = requests.get(f"{apis.url}{kind['type']}", timeout=30).json()
    assert (told["code"], told["title"], told["statuses"]) == ("not_found", kind["title"], [404])
    page = requests.get(f"{apis.url}{kind['type']}", headers={"Accept": "text/html"}, timeout=30)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert told["help"].replace("'", "&#x27;") in page.text


def test_the_catalogue_lists_every_problem(apis: Apis) -> None:
    items = requests.get(f"{apis.url}/problems", timeout=30).json()["items"]
    assert {item["code"] for item in items} == set(CATALOGUE)
    problem(requests.get(f"{apis.url}/problems/none", timeout=30), 404, "not_found")


def test_no_problem_is_raised_that_the_catalogue_does_not_hold() -> None:
    raised = {
        (node.args[0].value if isinstance(node.args[0], ast.Constant) else None, node.args[1].value)
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem"
        if len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
    }
    assert raised
    for status, code in raised:
        assert code in CATALOGUE
        assert status is None or status in CATALOGUE[code].statuses, code
