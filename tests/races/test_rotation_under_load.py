"""Keys change five times while tokens are minted and checked: not one is refused, and no key signs before everybody can have it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from token_guard import Guard, GuardError, IssuerTrust, JwksPolicy

from tests.support.running import RunningIdp

API = "https://api.test"
ROTATIONS, WORKERS, A_SECOND, PATIENCE = 5, 6, 100, 40


@pytest.fixture
def idp(tmp_path: Path) -> Iterator[RunningIdp]:
    with RunningIdp(tmp_path / "idp", jwks_max_age="5") as running:
        running.cli("resource", "create", API, "--scope", "read=Read things")
        yield running


@dataclass
class Load:
    """Mints and validates at a steady pace until it is stopped, and remembers every failure."""

    idp: RunningIdp
    credentials: tuple[str, str]
    guard: Guard
    stopped: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)
    kids: set[str] = field(default_factory=set)
    done: int = 0

    def run(self) -> None:
        with requests.Session() as http:
            http.auth = self.credentials
            due = time.monotonic()
            while not self.stopped.wait(max(0.0, due - time.monotonic())):
                due += WORKERS / A_SECOND
                self._one(http)

    def _one(self, http: requests.Session) -> None:
        answer = http.post(f"{self.idp.url}/oauth/token", data={"grant_type": "client_credentials"}, timeout=30)
        if answer.status_code != 200:
            self.failures.append(answer.text)
            return
        token = answer.json()["access_token"]
        try:
            self.guard.validate(token)
        except GuardError as error:
            self.failures.append(f"{error.status} {error.reason}")
        self.kids.add(json.loads(_header(token))["kid"])
        self.done += 1


def _header(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "==")


def active(idp: RunningIdp) -> str:
    (kid,) = [key["kid"] for key in idp.cli("keys", "list") if (key["alg"], key["state"]) == ("ES256", "active")]
    assert isinstance(kid, str)
    return kid


def rotated(idp: RunningIdp) -> None:
    """One rotation, until the new key signs."""
    before, deadline = active(idp), time.monotonic() + PATIENCE
    assert idp.run("keys", "rotate", "--alg", "ES256", "--now").returncode == 0
    while active(idp) == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.timeout(300)
def test_five_rotations_refuse_nothing(idp: RunningIdp) -> None:
    client = idp.client(grant_types=["client_credentials"], audience=[API])
    policy = JwksPolicy(min_fresh=1, miss_interval=1)
    load = Load(idp, (client["client_id"], client["client_secret"]), Guard(IssuerTrust(idp.issuer, API, policy=policy)))
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in range(WORKERS):
            pool.submit(load.run)
        try:
            for _ in range(ROTATIONS):
                rotated(idp)
            time_to_see_the_last = time.monotonic() + PATIENCE
            while len(load.kids) <= ROTATIONS:
                assert time.monotonic() < time_to_see_the_last
                load.stopped.wait(0.1)
        finally:
            load.stopped.set()
    assert load.failures == []
    assert len(load.kids) == ROTATIONS + 1
    assert load.done > ROTATIONS * 100
