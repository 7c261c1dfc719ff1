"""Secrets are replaced while they are in use, and nobody is refused: a client's secret by pairs, in every process of every node."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import requests

from tests.cluster.load import Load
from tests.conftest import API
from tests.support.running import RunningIdp

WITHIN = 30


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_a_clients_secret_is_replaced_under_load(tmp_path: Path) -> None:
    """Two nodes; some callers learn of a new secret at once, others only before the next one comes."""
    with RunningIdp(tmp_path / "idp") as idp:
        nodes = [idp.url, idp.node()]
        idp.cli("resource", "create", API, "--scope", "read=Read things")
        made = idp.client(grant_types=["client_credentials"], audience=[API])
        old = new = made["client_secret"]

        def ask(node: str, secret: str) -> int:
            form, basic = {"grant_type": "client_credentials"}, (made["client_id"], secret)
            return requests.post(f"{node}/oauth/token", data=form, auth=basic, timeout=30).status_code

        prompt = Load(lambda: tuple(ask(node, new) for node in nodes), 2)
        slow = Load(lambda: tuple(ask(node, old) for node in nodes), 1)
        with prompt.running(), slow.running():
            for _ in range(2):
                old = new
                answered = sum(slow.told.values())
                eventually(lambda count=answered: sum(slow.told.values()) > count + 3)
                rotated = idp.cli("client", "rotate-secret", made["client_id"], "--grace", "3600")["client_secret"]
                eventually(lambda value=rotated: all(ask(node, value) == 200 for node in nodes))
                new = rotated
        assert set(prompt.told) == set(slow.told) == {(200, 200)}, (prompt.told, slow.told)
        assert {ask(node, made["client_secret"]) for node in nodes} == {401}, "a pair is two"
