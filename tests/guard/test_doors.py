"""One table of cases at every door: FastAPI, Django, gRPC and a queue, as the examples show them, with tokens of a running issuer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import API
from tests.guard.doors import Door, grpc_door, http_door, queue_door
from tests.senders.holder import BoundApp
from tests.support.flows import App
from tests.support.ports import free_port
from tests.support.running import RunningIdp

OTHER = "https://other-api.test"
DOORS = ("guarded_fastapi", "guarded_django", "guarded_grpc", "guarded_queue")
pytestmark = pytest.mark.parametrize(
    "idp", ["sqlite"], indirect=True
)  # what the issuer keeps its rows in is all the same here


@dataclass(frozen=True, slots=True)
class Case:
    """What is brought to a door, and the verdict; `told` stands in the challenge where there is one."""

    name: str
    brings: str
    status: int
    told: str = ""


CASES = (
    Case("a good token", "Bearer good", 200),
    Case("no token", "", 401, "Bearer"),
    Case("another scheme", "Basic good", 401, "Bearer"),
    Case("a token that is none", "Bearer garbage", 401, 'error="invalid_token"'),
    Case("a token that lacks the scope", "Bearer narrow", 403, 'error="insufficient_scope"'),
    Case("a token for another API", "Bearer foreign", 401, 'error="invalid_token"'),
    Case("a bound token as a bearer token", "Bearer bound", 401, 'error="invalid_token"'),
    Case("a bound token without a proof", "DPoP bound", 401, 'error="invalid_dpop_proof"'),
)


@pytest.fixture(scope="module")
def tokens(idp: RunningIdp) -> dict[str, str]:
    """Tokens by what they are."""
    idp.cli("resource", "create", OTHER, "--name", "Another API", "--scope", "read=Read things")
    service = idp.client(grant_types=["client_credentials"], audience=[API, OTHER])
    app, bound = App(idp.url, service), BoundApp(idp.url, service)
    return {
        "good": _token(app, API, "read"),
        "narrow": _token(app, API, "write"),
        "foreign": _token(app, OTHER, "read"),
        "bound": _token(bound, API, "read"),
        "garbage": "e30.e30.e30",
        "subject": service["client_id"],
    }


def _token(app: App, resource: str, scope: str) -> str:
    answer = app.post("/oauth/token", grant_type="client_credentials", resource=resource, scope=scope)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


@contextlib.contextmanager
def opened(name: str, request: pytest.FixtureRequest, folder: Path, **environ: str) -> Iterator[Door]:
    with contextlib.ExitStack() as stack:
        match name:
            case "guarded_grpc":
                yield stack.enter_context(grpc_door(folder, **environ))
            case "guarded_queue":
                yield stack.enter_context(queue_door(folder, request.getfixturevalue("redis_url"), **environ))
            case _:
                yield stack.enter_context(http_door(name, folder, **environ))


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest, idp: RunningIdp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(request.param, request, tmp_path_factory.mktemp("door"), ISSUER=idp.issuer, AUDIENCE=API) as guarded:
        yield guarded


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_door_gives_the_same_verdict(door: Door, tokens: dict[str, str], case: Case) -> None:
    scheme, _, named = case.brings.partition(" ")
    verdict = door.knock(f"{scheme} {tokens[named]}" if named else None)
    assert verdict.status == case.status
    assert case.status != 200 or tokens["subject"] in verdict.body
    if verdict.challenge is not None:
        assert case.told in verdict.challenge
        assert bool(verdict.challenge) is (case.status != 200)
        assert ("error=" in verdict.challenge) is ("error=" in case.told)


@pytest.mark.parametrize("name", DOORS)
def test_with_the_issuer_down_no_door_condemns_a_token(
    name: str, request: pytest.FixtureRequest, idp: RunningIdp, tokens: dict[str, str], tmp_path: Path
) -> None:
    away = f"http://127.0.0.1:{free_port()}/jwks"
    with opened(name, request, tmp_path, ISSUER=idp.issuer, AUDIENCE=API, JWKS_URI=away) as door:
        verdict = door.knock(f"Bearer {tokens['good']}")
        assert (verdict.status, not verdict.challenge) == (503, True)
        assert verdict.retry_after
        assert door.knock(None).status == 401
        assert door.knock(f"Bearer {tokens['foreign']}").status == 401
