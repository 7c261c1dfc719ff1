"""A pushed revocation reaches every worker and every node of a service, whichever was told, and those that start later.

The tokens point into a list that nobody can fetch, so that nothing but the event can be the cause of a refusal.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from flask import Flask

from idp.opening import open_house
from idp.settings_source import load
from resource_server.orders import service as orders
from resource_server.orders.models import RevocationCount
from resource_server.platform.store import open_engines
from tests.resource_server.apis import ALL, Caller, problem, register, serve
from tests.support import databases
from tests.support.flows import App, claims
from tests.support.ports import free_port
from tests.support.running import RunningIdp

PATIENCE = 60
IN_A_ROW = 40
AUDIENCE = "https://api.test"


@dataclass(frozen=True)
class Shop:
    """An issuer whose list is away, and the store on which nodes are started."""

    idp: RunningIdp
    service: App
    database: str
    folder: Path
    stack: ExitStack
    numbers: Iterator[int]

    def node(self, **settings: str) -> str:
        """Start one more node on the same store; its address."""
        url = f"http://127.0.0.1:{free_port()}"
        given = {"RS_AUDIENCE": AUDIENCE, "RS_DATABASE_URL": self.database, "RS_SECRET": "x" * 32, **settings}
        process = serve(self.idp, self.folder, url, **given)
        self.stack.callback(process.stop)
        return url

    def signed(self, typ: str, document: dict[str, Any], alg: str = "ES256") -> str:
        with open_house(load(self.idp.environ)) as house:
            house.keyring.reload()
            return house.keyring.signer(alg).compose(typ, document)

    def token(self, index: int, alg: str = "ES256") -> str:
        """A token at a place of the list."""
        answered = self.service.post("/oauth/token", grant_type="client_credentials", scope=ALL).json()
        status = {"status_list": {"uri": self.list, "idx": index}}
        return self.signed("at+jwt", {**claims(answered["access_token"]), "status": status}, alg)

    def event(self, kind: str, **status: Any) -> str:
        """What the issuer pushes."""
        events = {f"urn:idp:event:status.{kind}": {"sequence": next(self.numbers), "status": status}}
        said = {"iss": self.idp.issuer, "aud": AUDIENCE, "iat": int(time.time()), "jti": secrets.token_hex(8)}
        return self.signed("secevent+jwt", {**said, "events": events})

    def revoked(self, index: int) -> str:
        return self.event("changed", uri=self.list, idx=[index])

    @property
    def orders(self) -> str:
        """The database of orders, which has a file or a schema of its own."""
        return self.database.replace(".sqlite3", "-orders.sqlite3")

    @property
    def list(self) -> str:
        return f"{self.idp.issuer}/oauth/status/away"


@pytest.fixture(scope="module", params=databases.KINDS)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("told")
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'services.sqlite3'}"
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        idp = stack.enter_context(RunningIdp(folder / "idp"))
        _, _, service = register(idp, AUDIENCE)
        yield Shop(idp, service, url, folder, stack, itertools.count(1))


@pytest.fixture(scope="module")
def everything(shop: Shop) -> str:
    """A node of all services with two workers."""
    return shop.node(RS_WORKERS="2")


@pytest.fixture(scope="module")
def alone(shop: Shop) -> str:
    """A node of the orders service alone, with two workers."""
    return shop.node(RS_SERVICE="orders", RS_WORKERS="2")


def push(url: str, event: str) -> requests.Response:
    return requests.post(url, data=event, headers={"Content-Type": "application/secevent+jwt"}, timeout=PATIENCE)


def asked(url: str, token: str) -> requests.Response:
    return Caller(url, token).get("/v1/orders")


def accepted(url: str, token: str) -> bool:
    """By every worker: each request comes by a connection of its own."""
    return all(asked(url, token).status_code == 200 for _ in range(IN_A_ROW))


def refused(url: str, token: str) -> bool:
    return all(asked(url, token).status_code == 401 for _ in range(IN_A_ROW))


def becomes_refused(url: str, token: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not refused(url, token):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    problem(asked(url, token), 401, "invalid_token")


@pytest.mark.parametrize("told", ["everything", "alone"])
def test_every_worker_of_every_node_refuses_what_one_was_told_of(
    shop: Shop, everything: str, alone: str, told: str
) -> None:
    token, other = shop.token(10 + len(told)), shop.token(3)
    assert all(accepted(url, one) for url in (everything, alone) for one in (token, other))
    address = f"{everything}/events" if told == "everything" else f"{alone}/events/orders"
    assert push(address, shop.revoked(10 + len(told))).status_code == 202
    for url in (everything, alone):
        becomes_refused(url, token)
        assert accepted(url, other)


def test_whoever_starts_later_knows_what_was_told_before(shop: Shop, everything: str) -> None:
    token, other = shop.token(30), shop.token(3)
    assert push(f"{everything}/events", shop.revoked(30)).status_code == 202
    for service in ("all", "orders"):
        later = shop.node(RS_SERVICE=service, RS_WORKERS="2")
        assert refused(later, token)
        assert accepted(later, other)


def test_a_key_that_is_told_to_be_revoked_is_believed_nowhere(shop: Shop, everything: str, alone: str) -> None:
    token, other = shop.token(4, alg="RS256"), shop.token(4)
    assert accepted(everything, token)
    assert accepted(alone, token)
    (kid,) = [key["kid"] for key in shop.idp.cli("keys", "list") if key["alg"] == "RS256" and key["state"] == "active"]
    assert push(f"{everything}/events", shop.event("key_revoked", kid=kid)).status_code == 202
    for url in (everything, alone):
        becomes_refused(url, token)
        assert accepted(url, other)


def test_what_cannot_be_kept_is_not_acknowledged(shop: Shop, everything: str, alone: str) -> None:
    """One service of a process is enough: while somebody is in the way there, the event is not taken, and the issuer sends it again."""
    token, event = shop.token(50), shop.revoked(50)
    store = orders.open_store(open_engines(Flask("tests"), {"orders": shop.orders}, pool_size=1)["orders"])
    with store.change() as tx:
        tx.execute(sa.update(RevocationCount).values(number=RevocationCount.number))
        answer = push(f"{everything}/events", event)
        assert problem(answer, 503, "unavailable")["retryable"]
        assert accepted(alone, token)
    store.engine.dispose()
    assert push(f"{everything}/events", event).status_code == 202
    becomes_refused(alone, token)


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_who_cannot_look_looks_again(shop: Shop, everything: str, alone: str) -> None:
    """A database that is away for a while, as a file never is: what is told afterwards reaches everybody."""
    token = shop.token(60)
    with databases.away(shop.database):
        assert push(f"{everything}/events", shop.revoked(60)).status_code == 503
    deadline = time.monotonic() + PATIENCE
    while push(f"{everything}/events", shop.revoked(60)).status_code != 202:
        assert time.monotonic() < deadline
    becomes_refused(alone, token)
