"""Several nodes that start, or rotate keys, at the same moment do it once."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support import databases
from tests.support.running import BIN, RunningIdp

STARTING, ROTATING = 5, 3


@pytest.fixture(params=databases.KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningIdp]:
    """An identity provider nobody has initialized."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        yield RunningIdp(tmp_path / "idp", url)


def side_by_side(idp: RunningIdp, count: int, *arguments: str) -> list[str]:
    """The output of `count` processes of one command, which must all succeed."""
    started = [
        subprocess.Popen(
            [str(BIN / "idp"), *arguments],
            env=idp.environ,
            cwd=idp.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(count)
    ]
    outcomes = [(process.communicate(timeout=90), process.returncode) for process in started]
    assert [status for _output, status in outcomes] == [0] * count, [errors for (_, errors), _ in outcomes]
    return [output for (output, _errors), _status in outcomes]


def keys(idp: RunningIdp) -> Counter[tuple[str, str]]:
    return Counter((key["alg"], key["state"]) for key in idp.cli("keys", "list"))


def test_five_processes_on_an_empty_database_make_one_schema_one_master_key_and_one_key_an_algorithm(
    empty: RunningIdp,
) -> None:
    outputs = side_by_side(empty, STARTING, "init", "--json")
    assert {json.loads(output)["signing_keys"] for output in outputs} == {2}
    assert keys(empty) == {("ES256", "active"): 1, ("RS256", "active"): 1}
    (master,) = [path for path in (empty.folder / "keys").iterdir() if path.name.startswith("master")]
    assert master.stat().st_mode & 0o777 == 0o600
    assert empty.cli("db", "check")
    assert empty.cli("check") is not None


def test_three_nodes_that_rotate_at_once_make_one_key(empty: RunningIdp) -> None:
    empty.cli("init")
    side_by_side(empty, ROTATING, "keys", "rotate", "--alg", "ES256", "--json")
    assert keys(empty) == {("ES256", "active"): 1, ("ES256", "next"): 1, ("RS256", "active"): 1}


def test_servers_started_at_once_on_an_empty_database_all_serve(empty: RunningIdp) -> None:
    """In development a server initializes what it finds empty; three do it together."""
    with empty.cluster(), ThreadPoolExecutor(ROTATING) as pool:
        urls = list(pool.map(lambda _number: empty.node(), range(ROTATING)))
        published = {requests.get(f"{url}/oauth/jwks", timeout=10).text for url in urls}
    assert len(published) == 1
    assert keys(empty) == {("ES256", "active"): 1, ("RS256", "active"): 1}
