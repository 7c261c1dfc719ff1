"""Each problem that the catalogue promises is what some request gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from resource_server.api.catalogue import CATALOGUE
from tests.resource_server.apis import Apis
from tests.resource_server.provoking import REQUESTS, Scene, Told
from tests.resource_server.ways import ROOMS
from tests.support import databases

in_one_way = pytest.mark.parametrize("apis", [ROOMS["resource_server"][0]], indirect=True, ids=str)


@pytest.fixture(scope="module")
def scene(apis: Apis, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Nodes start when they are first needed, and stop at the end."""
    with ExitStack() as stack:

        def postgres() -> str:
            return stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))

        yield Scene(apis, tmp_path_factory.mktemp("scene"), stack, postgres)


def document(told: Told) -> dict[str, object]:
    """The problem, which as an answer has the status it names and the media type of problems."""
    if not isinstance(told, requests.Response):
        return dict(told)
    assert told.headers["Content-Type"] == "application/problem+json", told.text
    found: dict[str, object] = told.json()
    assert (found["status"], found["trace_id"]) == (told.status_code, told.headers["X-Request-Id"])
    return found


@in_one_way
@pytest.mark.parametrize("code", CATALOGUE)
def test_some_request_gets_it_as_the_catalogue_says(scene: Scene, code: str) -> None:
    assert code in REQUESTS, "nobody knows a request that gets it"
    found, kind = document(REQUESTS[code](scene)), CATALOGUE[code]
    assert (found["type"], found["code"]) == (f"/problems/{code}", code)
    assert (found["title"], found["retryable"]) == (kind.title, kind.retryable)
    assert found["status"] in kind.statuses
    assert found["detail"]
    assert found["instance"]


def test_no_request_is_known_for_what_is_no_problem() -> None:
    assert set(REQUESTS) <= set(CATALOGUE)
