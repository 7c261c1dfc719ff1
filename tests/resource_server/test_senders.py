"""Tokens that are bound to a key, at the services: with a proof for each request they pass, without one they are worth nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.guard.proofs import HOLDER, proof
from tests.resource_server.apis import Apis, Caller, problem, serve, signed_anew
from tests.support import databases
from tests.support.ports import free_port

PAYMENT = {"amount": "12.34", "currency": "EUR"}
CROWD = 50


def bound(apis: Apis, caller: Caller) -> str:
    return signed_anew(apis.idp, caller.token, cnf={"jkt": HOLDER.thumbprint()})


def call(url: str, method: str, path: str, token: str, *proofs: str, scheme: str = "DPoP") -> requests.Response:
    """A request that may carry several DPoP fields."""
    sent = requests.Request(method, f"{url}{path}", json=PAYMENT if method == "POST" else None).prepare()
    sent.headers["Authorization"] = f"{scheme} {token}"
    if proofs:
        sent.headers["DPoP"] = ", ".join(proofs)
    with requests.Session() as session:
        return session.send(sent, timeout=30, allow_redirects=False)


def test_who_holds_the_key_pays(apis: Apis, somebody: Caller) -> None:
    token = bound(apis, somebody)
    htu = f"{apis.url}/v1/payments"
    made = call(apis.url, "POST", "/v1/payments", token, proof(token, htm="POST", htu=htu))
    assert made.status_code == 201
    place = made.headers["Location"]
    shown = call(apis.url, "GET", f"{place}?x=1", token, proof(token, htu=f"{apis.url}{place}"))
    assert shown.json()["amount"] == "12.34"


def test_a_bound_token_without_its_proof_is_refused(apis: Apis, somebody: Caller) -> None:
    token = bound(apis, somebody)
    htu = f"{apis.url}/v1/payments"
    bearer = call(apis.url, "GET", "/v1/payments", token, scheme="Bearer")
    assert "bound to a key" in problem(bearer, 401, "invalid_token")["detail"]
    for proofs in ((), (proof(token, htu=htu), proof(token, htu=htu)), ("nonsense",), (proof(token),)):
        refused = call(apis.url, "GET", "/v1/payments", token, *proofs)
        problem(refused, 401, "invalid_dpop_proof")
        assert 'DPoP error="invalid_dpop_proof"' in refused.headers["WWW-Authenticate"]


@pytest.fixture(scope="module")
def two_nodes(
    apis: Apis, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Two nodes of the same services, on one database, behind one public URL."""
    folder = tmp_path_factory.mktemp("nodes")
    with contextlib.ExitStack() as stack:
        database = f"sqlite:///{folder / 'shared.sqlite3'}"
        if "postgresql" in apis.idp.environ.get("IDP_DATABASE_URL", ""):
            database = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        nodes = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
        for url in nodes:
            started = serve(apis.idp, folder, url, RS_AUDIENCE=apis.url, RS_DATABASE_URL=database)
            stack.callback(started.stop)
        yield nodes


def test_fifty_replays_of_one_proof_at_two_nodes_make_one_payment(
    apis: Apis, somebody: Caller, two_nodes: list[str]
) -> None:
    token = bound(apis, somebody)
    once = proof(token, htm="POST", htu=f"{apis.url}/v1/payments")
    barrier = threading.Barrier(CROWD)

    def pay(number: int) -> int:
        barrier.wait(30)
        return call(two_nodes[number % 2], "POST", "/v1/payments", token, once).status_code

    with ThreadPoolExecutor(CROWD) as pool:
        statuses = list(pool.map(pay, range(CROWD)))
    assert sorted(set(statuses)) == [201, 401]
    assert statuses.count(201) == 1
