"""Exchanges as an operator sets them: off and unannounced, shorter, fewer in a row; and counted by grant."""

from __future__ import annotations

import pytest
import requests

from tests.delegation.support import ACCESS_TOKEN, TOKEN_EXCHANGE, USERS, Service, eventually, refused
from tests.support.ports import free_port
from tests.support.running import RunningIdp

METADATA = "/.well-known/openid-configuration"
COUNTER = f'idp_tokens_issued_total{{kind="{TOKEN_EXCHANGE}"}} '


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def strict(idp: RunningIdp, metrics_port: int) -> str:
    """A node that lets no exchange follow another, and tokens live five seconds."""
    return idp.node(exchange_depth="1", exchange_ttl="5", metrics_port=str(metrics_port))


def exchange(orders: Service, base: str, token: str) -> requests.Response:
    form = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": USERS}
    return orders.post("/oauth/token", base=base, grant_type=TOKEN_EXCHANGE, **form)


def test_where_it_is_off_it_is_neither_announced_nor_there(idp: RunningIdp, orders: Service, token: str) -> None:
    off = idp.node(exchange="off")
    announced = [
        requests.get(f"{base}{METADATA}", timeout=10).json()["grant_types_supported"] for base in (idp.url, off)
    ]
    assert [TOKEN_EXCHANGE in grants for grants in announced] == [True, False]
    assert refused(exchange(orders, off, token)) == (400, "unsupported_grant_type")


def test_life_and_the_longest_chain_are_settings(orders: Service, strict: str, token: str) -> None:
    answer = exchange(orders, strict, token).json()
    assert answer["expires_in"] == 5
    assert refused(exchange(orders, strict, answer["access_token"])) == (400, "invalid_request")


def test_exchanges_are_counted(orders: Service, strict: str, metrics_port: int, token: str) -> None:
    def counted() -> int:
        lines = requests.get(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10).text.splitlines()
        return sum(int(float(line.removeprefix(COUNTER))) for line in lines if line.startswith(COUNTER))

    before = counted()
    for _ in range(3):
        exchange(orders, strict, token)
    eventually(lambda: counted() >= before + 3)
