"""Revocation reaches the services, which ask nobody: by the status list they fetch, and at once by the event that is pushed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.orders.apart import open_apart
from tests.payments.paying import eventually
from tests.resource_server.apis import ALL, Apis, Caller, open_apis, problem, serve
from tests.resource_server.ways import ROOMS
from tests.support.flows import App, Browser
from tests.support.ports import free_port

PATIENCE = 40
PAYMENT = {"amount": "12.34", "currency": "EUR"}


def becomes(refused: Callable[[], requests.Response]) -> float:
    """Seconds until the token is refused, which it must be."""
    begin = time.monotonic()
    while (response := refused()).status_code != 401:
        assert response.status_code == 200
        assert time.monotonic() - begin < PATIENCE
        time.sleep(0.05)
    problem(response, 401, "invalid_token")
    return time.monotonic() - begin


def revoke(apis: Apis, caller: Caller) -> None:
    assert apis.app.post("/oauth/revoke", token=caller.token).status_code == 200


def orders(caller: Caller) -> Callable[[], requests.Response]:
    return lambda: caller.get("/v1/orders")


def test_a_revoked_token_is_refused_and_others_are_not(apis: Apis) -> None:
    caller, other = apis.person(), apis.person()
    assert caller.get("/v1/orders").status_code == other.get("/v1/orders").status_code == 200
    revoke(apis, caller)
    assert becomes(orders(caller)) < PATIENCE
    assert becomes(lambda: caller.get("/v1/payments")) < PATIENCE, "each service hears of it by itself"
    problem(caller.post("/v1/payments", PAYMENT), 401, "invalid_token")
    assert other.post("/v1/payments", PAYMENT).status_code == 201


def test_whoever_is_disabled_is_refused(apis: Apis) -> None:
    name = apis.new_person()
    caller = apis.caller(name)
    assert caller.get("/v1/orders").status_code == 200
    apis.idp.cli("user", "disable", name)
    assert becomes(orders(caller)) < PATIENCE


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    """Services that may rely on a list for five minutes: what they learn sooner, they were told."""
    with open_apis(tmp_path_factory.mktemp("pushed"), None, None, status_list_ttl="300") as apis:
        yield apis


def test_a_push_is_much_faster_than_the_list(pushed: Apis) -> None:
    caller, other = pushed.person(), pushed.person()
    assert caller.get("/v1/orders").status_code == other.get("/v1/orders").status_code == 200
    revoke(pushed, caller)
    assert becomes(orders(caller)) < PATIENCE
    assert other.get("/v1/orders").status_code == 200


@pytest.fixture(scope="module")
def pushed_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    """The same, each service in a process of its own behind one address."""
    with open_apart(tmp_path_factory.mktemp("apart"), None, None, status_list_ttl="300") as apis:
        yield apis


@pytest.mark.parametrize("path", ["/v1/orders", "/v2/payments", "/v2/users/me"])
def test_each_service_is_told_where_they_run_apart(pushed_apart: Apis, path: str) -> None:
    caller, other = pushed_apart.person(), pushed_apart.person()
    for one in (caller, other):
        eventually(lambda one=one: one.get(path).status_code, lambda status: status == 200)
    revoke(pushed_apart, caller)
    becomes(lambda: caller.get(path))
    assert other.get(path).status_code == 200


def test_a_role_that_was_taken_away_is_told_and_the_app_gets_a_token_without_it(pushed: Apis) -> None:
    """The list may be relied on for five minutes here, so what is refused sooner was told."""
    name = pushed.new_person("--role", "support")
    client = pushed.idp.client(
        redirect_uris=["https://staff.test/"],
        grant_types=["authorization_code", "refresh_token"],
        audience=[pushed.url],
    )
    app = App(pushed.idp.url, client)
    tokens = app.tokens(Browser(pushed.idp.url), name, scope=f"offline_access {ALL}")
    caller, other = Caller(pushed.url, tokens["access_token"]), pushed.person()
    assert caller.get("/v2/users").status_code == other.get("/v1/orders").status_code == 200
    pushed.idp.cli("user", "update", name, "--role", "")
    becomes(lambda: caller.get("/v2/users"))
    refreshed = app.refresh(tokens["refresh_token"]).json()["access_token"]
    problem(Caller(pushed.url, refreshed).get("/v2/users"), 403, "access_denied")
    assert Caller(pushed.url, refreshed).get("/v1/orders").status_code == 200
    assert other.get("/v1/orders").status_code == 200


@pytest.mark.parametrize("apis", [ROOMS["resource_server"][0]], indirect=True, ids=str)
def test_where_nothing_is_told_the_list_says_it(apis: Apis, tmp_path: Path) -> None:
    """A node that is no receiver."""
    name = apis.new_person("--role", "support")
    url = f"http://127.0.0.1:{free_port()}"
    process = serve(apis.idp, tmp_path, url, RS_AUDIENCE=apis.url)
    try:
        there = Caller(url, apis.caller(name).token)
        assert there.get("/v2/users").status_code == 200
        apis.idp.cli("user", "update", name, "--role", "")
        becomes(lambda: there.get("/v2/users"))
    finally:
        process.stop()


def test_what_a_revoked_key_signed_is_refused(pushed: Apis) -> None:
    caller = pushed.person()
    assert caller.get("/v1/orders").status_code == 200
    (kid,) = [
        key["kid"] for key in pushed.idp.cli("keys", "list") if key["alg"] == "ES256" and key["state"] == "active"
    ]
    pushed.idp.cli("keys", "revoke", kid)
    assert becomes(orders(caller)) < PATIENCE
    deadline = time.monotonic() + PATIENCE
    while pushed.person().get("/v1/orders").status_code != 200:  # servers follow to the next key within two seconds
        assert time.monotonic() < deadline
