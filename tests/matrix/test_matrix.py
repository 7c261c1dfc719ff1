"""Every cell of the permission matrix, tried over HTTP: each operation by each kind of caller on what is theirs and what is another's."""

from __future__ import annotations

import re

import pytest
import requests

from resource_server.api.operation import Operation
from resource_server.api.permissions import Cells, Reach
from tests.contracts.generated import operations
from tests.matrix.table import COLUMNS, TABLE
from tests.matrix.things import Stage, without
from tests.resource_server.apis import SCOPES, Apis, problem

GUARDED = [(service, one) for service, found in operations().items() for one in found if one.needs is not None]
GRANTED = [(service, one) for service, one in GUARDED if one.needs and set(one.needs.scopes) <= set(SCOPES)]
"""Those whose scope an issuer grants; the rest is what services say to each other."""
LETTERS = {Reach.NONE: "-", Reach.OWN: "o", Reach.MASKED: "m", Reach.ALL: "a"}
CELLS = [(service, one, column) for service, one in GRANTED for column in COLUMNS]
named = {"ids": lambda one: getattr(one, "name", one)}


@pytest.fixture(scope="module")
def stage(apis: Apis) -> Stage:
    """Everybody, with what is theirs."""
    return Stage(apis)


def reach(cells: Cells, column: str) -> Reach:
    if column == "delegated":
        return cells.customer if cells.delegated else Reach.NONE
    found: Reach = getattr(cells, column)
    return found


def has_owner(operation: Operation) -> bool:
    return "<" in operation.path


def somewhere(operation: Operation) -> str:
    """A path that leads there, whatever is behind it."""
    return re.sub(r"<prefixed\((\w+)\):\w+>", r"\1_x", operation.path)


def refused(response: requests.Response) -> bool:
    return response.status_code in {401, 403, 404} or response.status_code >= 500


def test_the_matrix_in_the_code_is_the_one_that_was_agreed() -> None:
    found = {}
    for _, operation in GRANTED:
        cells = operation.cells
        assert cells is not None, f"{operation.name} has no row"
        letters = "".join(LETTERS[reach(cells, column)] for column in COLUMNS[:-1])
        found[operation.name] = f"{letters} {'d' if cells.delegated else '-'}"
    assert {name: found[name] for name in TABLE} == TABLE
    assert found.keys() == TABLE.keys()


@pytest.mark.parametrize(("service", "operation", "column"), CELLS, **named)
def test_what_is_anothers(stage: Stage, service: str, operation: Operation, column: str) -> None:
    assert operation.cells is not None
    reached = reach(operation.cells, column)
    response = stage.sent(operation, column, service, "other")
    if reached is Reach.NONE:
        problem(response, 403, "access_denied")
    elif (reached is Reach.OWN and has_owner(operation)) or (column, operation.path.rpartition("/")[2]) == (
        "service",
        "me",
    ):
        problem(response, 404, "not_found")
    elif "<job_id>" in operation.path:
        problem(response, 404, "not_found")  # no work was given up on
    else:
        assert not refused(response), response.text
    if reached is Reach.MASKED and response.headers["Content-Type"] == "application/json":
        shown = response.json()
        for one in [shown, *shown.get("items", ())]:
            assert not {one.get("owner"), one.get("method")} - {None}


OWN = [
    (service, one, column)
    for service, one, column in CELLS
    if has_owner(one) and one.cells and reach(one.cells, column) is Reach.OWN
]


@pytest.mark.parametrize(("service", "operation", "column"), OWN, **named)
def test_what_is_ones_own(stage: Stage, service: str, operation: Operation, column: str) -> None:
    owner = "customer" if column == "delegated" else column
    response = stage.sent(operation, column, service, owner)
    assert not refused(response), response.text


LISTS = [
    (service, one, column)
    for service, one, column in CELLS
    if not has_owner(one) and one.method == "GET" and one.path.endswith(("/orders", "/payments"))
]


@pytest.mark.parametrize(("service", "operation", "column"), LISTS, **named)
def test_a_list_holds_what_is_within_reach_and_nothing_else(
    stage: Stage, service: str, operation: Operation, column: str
) -> None:
    assert operation.cells is not None
    theirs = stage.thing(service.removesuffix("s"), "other")
    size = "per_page=100" if operation.version == "v1" else "limit=100"
    text = stage.caller(column, service).get(f"{operation.path}?{size}").text
    assert (theirs in text) == (reach(operation.cells, column) > Reach.OWN)


@pytest.mark.parametrize(("service", "operation"), GUARDED, **named)
def test_without_a_token_there_is_nothing(apis: Apis, service: str, operation: Operation) -> None:
    response = requests.request(operation.method, f"{apis.url}{somewhere(operation)}", json={}, timeout=30)
    problem(response, 401, "unauthorized")
    assert service and "resource_metadata=" in response.headers["WWW-Authenticate"]


@pytest.fixture(scope="module")
def lacking(apis: Apis) -> dict[tuple[str, ...], requests.Session]:
    """Persons who allowed everything but what an operation needs, by that."""
    found = {}
    for scopes in {one.needs.scopes for _, one in GUARDED if one.needs is not None}:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {without(apis, scopes).token}"
        found[scopes] = session
    return found


@pytest.mark.parametrize(("service", "operation"), GUARDED, **named)
def test_without_its_scope_there_is_nothing_and_the_answer_names_it(
    apis: Apis, lacking: dict[tuple[str, ...], requests.Session], service: str, operation: Operation
) -> None:
    assert operation.needs is not None and service
    session = lacking[operation.needs.scopes]
    response = session.request(operation.method, f"{apis.url}{somewhere(operation)}", json={}, timeout=30)
    problem(response, 403, "insufficient_scope")
    assert f'scope="{" ".join(operation.needs.scopes)}"' in response.headers["WWW-Authenticate"]


def test_a_role_that_was_taken_away_opens_nothing_to_the_next_token(apis: Apis) -> None:
    name = apis.new_person("--role", "support")
    assert apis.caller(name).get("/v2/users").status_code == 200
    apis.idp.cli("user", "update", name, "--role", "")
    problem(apis.caller(name).get("/v2/users"), 403, "access_denied")
