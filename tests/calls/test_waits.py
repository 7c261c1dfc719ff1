"""Callers who wait for so long and no longer, at a service that itself waits: for its database, or for keys of an issuer that does not answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
import sqlalchemy as sa
from token_guard import Check, Guard, IssuerTrust, Needs
from token_guard.fetch import Fetched
from token_guard.observing import Outcome

from resource_server.api.operation import Operation
from resource_server.calls.lines import open_line
from resource_server.calls.messages import queue_of
from resource_server.platform import deadlines
from resource_server.rpc.listening import Listener
from resource_server.rpc.server import build_server
from tests.calls.answering import Answering, Asked
from tests.calls.both import SECRET, Both
from tests.guard.lists import eventually
from tests.guard.minting import AUDIENCE, ISSUER, jwks, token
from tests.resource_server.apis import problem, serve
from tests.support import databases
from tests.support.ports import free_port
from tests.support.proxy import Wire

SOON, SLACK, POOL_SLACK, PATIENCE = 0.5, 1.9, 4.0, 60.0
"""How long an impatient caller waits; how much later they may hear, also where a connection is not free: the limits of the service itself are
longer than both together."""
POOL = 2


@contextmanager
def services(both: Both, folder: Path, ready: str = "/readyz", **settings: str) -> Iterator[str]:
    """The URL of other services that trust the same issuer."""
    url = f"http://127.0.0.1:{free_port()}"
    process = serve(both.apis.idp, folder, url, ready, RS_AUDIENCE=both.apis.url, RS_SECRET=SECRET, **settings)
    try:
        yield url
    finally:
        process.stop()


def get(url: str, token: str, seconds: float | None = None) -> requests.Response:
    """The payments, for who waits for so long; None: they do not say."""
    told = {} if seconds is None else {"Request-Timeout": str(seconds)}
    headers = {"Authorization": f"Bearer {token}", **told}
    return requests.get(f"{url}/v2/payments", headers=headers, timeout=PATIENCE)


def is_late(url: str, token: str, slack: float = SLACK) -> bool:
    """Whether an impatient caller soon hears that their time is over: not late, and not that somebody just tried in vain."""
    began = time.monotonic()
    answer = get(url, token, SOON)
    soon = time.monotonic() - began < SOON + slack
    assert answer.status_code == 503, answer.text
    return soon and bool(answer.json()["code"] == "deadline_passed")


class Keys:
    """An issuer's keys, which are told when they may be."""

    def __init__(self, both: Both) -> None:
        self._keys = requests.get(f"{both.apis.idp.url}/oauth/jwks", timeout=PATIENCE).json()
        self.land = threading.Event()

    def __call__(self, _asked: Asked) -> tuple[int, Any]:
        self.land.wait(PATIENCE)
        return 200, self._keys


def test_keys_are_waited_for_no_longer_than_the_caller_waits(both: Both, tmp_path: Path) -> None:
    presented, keys = both.apis.person().token, Keys(both)
    with Answering(keys) as issuer, services(both, tmp_path, "/livez", RS_JWKS_URI=issuer.url) as url:
        eventually(lambda: is_late(url, presented))
        problem(get(url, presented), 503, "temporarily_unavailable")
        keys.land.set()
        eventually(lambda: get(url, presented, PATIENCE).status_code == 200)


@pytest.fixture
def wire(postgres_server: str) -> Iterator[Wire]:
    url = sa.make_url(postgres_server)
    with Wire((str(url.host), int(url.port or 5432))) as proxy:
        yield proxy


def test_a_database_is_waited_for_no_longer_than_the_caller_waits(
    both: Both, postgres_server: str, wire: Wire, tmp_path: Path
) -> None:
    presented = both.apis.person().token
    with databases.empty_postgres(postgres_server) as direct:
        through = sa.make_url(direct).set(port=wire.port).render_as_string(hide_password=False)
        settings = {"RS_DATABASE_URL": through, "RS_DATABASE_POOL": str(POOL)}
        with services(both, tmp_path, **settings) as url:
            assert get(url, presented, PATIENCE).status_code == 200
            with taken(url, direct, presented):
                eventually(lambda: is_late(url, presented, POOL_SLACK), PATIENCE)
            assert get(url, presented, PATIENCE).status_code == 200
            wire.hush()
            eventually(lambda: is_late(url, presented))
            problem(get(url, presented), 503, "unavailable")
            wire.mend()
            eventually(lambda: get(url, presented, PATIENCE).status_code == 200)


@contextmanager
def taken(url: str, database: str, presented: str) -> Iterator[None]:
    """All connections of the payments are in use, by others whose patience has no end."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    free = threading.Event()

    def ask() -> set[int]:
        """One wait for a lock has an end, so that whoever is sent away asks again."""
        heard = set()
        while not free.is_set():
            heard.add(get(url, presented).status_code)
        return heard

    with ThreadPoolExecutor() as pool, engine.connect() as locker:
        locker.execute(sa.text("LOCK TABLE payments.payments IN ACCESS EXCLUSIVE MODE"))
        others = [pool.submit(ask) for _ in range(POOL)]
        try:
            databases.until_somebody_waits(engine, connections=POOL)
            yield
        finally:
            free.set()
            locker.rollback()
        assert set().union(*(other.result() for other in others)) <= {200, 503}


@pytest.fixture
def outcomes() -> list[Outcome]:
    """What a guard decided."""
    return []


@pytest.fixture
def guard(outcomes: list[Outcome]) -> Iterator[Guard]:
    """One whose keys do not come before the test is through."""
    through = threading.Event()

    def fetch(_trust: IssuerTrust) -> Fetched:
        through.wait(PATIENCE)
        return Fetched(jwks(), 300)

    trust = IssuerTrust(ISSUER, AUDIENCE)
    yield Guard(trust, fetch=fetch, observe=outcomes.append, seconds_left=deadlines.seconds_left)
    through.set()


LISTED = [Operation("GET", "/v2/payments", Needs(), lambda: None)]


def test_a_grpc_call_ends_the_wait_for_keys_with_its_deadline(guard: Guard, outcomes: list[Outcome]) -> None:
    server, port = build_server(unreachable, LISTED, guard, address="127.0.0.1:0", threads=2, tls=None)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary("/shop.v2.Payments/List")
        with pytest.raises(grpc.RpcError) as caught:
            method(b"", metadata=[("authorization", f"Bearer {token()}")], timeout=SOON)
        eventually(lambda: bool(outcomes))
    assert caught.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), "who hears first"
    assert (outcomes[0].status, outcomes[0].check) == (503, Check.KEYS_AWAY)
    server.stop(None).wait()


def test_a_message_ends_the_wait_for_keys_with_its_deadline(both: Both, guard: Guard, outcomes: list[Outcome]) -> None:
    name = f"payments-{free_port()}"
    line = open_line(both.broker)
    listener = Listener(line, [name], unreachable, LISTED, guard)
    listener.start(threads=1)
    headers = {"authorization": f"Bearer {token()}"}
    question = {"action": "payments.list", "arguments": {}, "headers": headers, "seconds": SOON}
    answer = json.loads(line.ask(queue_of(name), json.dumps(question).encode(), PATIENCE / 2))
    assert (answer["status"], answer["document"]["code"]) == (503, "deadline_passed")
    assert (outcomes[0].status, outcomes[0].check) == (503, Check.KEYS_AWAY)
    listener.stop()


def unreachable(_environ: dict[str, Any], _start: Any) -> list[bytes]:
    """Nobody gets past the guard."""
    raise AssertionError
