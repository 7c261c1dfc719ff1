"""Services change the secret they share, and with it the keys by which they prove themselves, one node after the other, with orders under way."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.conftest import Site, open_site
from tests.cluster.load import Load
from tests.orders.ordering import now, ordered
from tests.payments.paying import accepted, eventually
from tests.support.running import BIN

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
SCOPE = "openid users:read orders:read orders:write payments:read payments:write"
SERVICES = ("users", "orders", "payments")
OPEN = {"draft", "awaiting_payment"}


@pytest.fixture
def site(postgres_server: str, redis_url: str, tmp_path: Path) -> Iterator[Site]:
    """One identity provider and two of each service, which ask each other through nginx."""
    with open_site(tmp_path, postgres_server, redis_url, idps=1, services=2, revive=False) as opened:
        yield opened


def change(site: Site, **known: str) -> None:
    """Tell the identity provider of the keys that orders has now, then restart the services with these secrets, one by one."""
    nodes = [node for name in SERVICES for node in site.cluster.group(name)]
    for node in nodes:
        kept = {name: value for name, value in node.plan.environ.items() if not name.startswith("RS_SECRET")}
        node.plan = replace(node.plan, environ={**kept, **known})
    command = [str(BIN / "resource-server"), "client", "orders"]
    printed = subprocess.run(command, env=nodes[0].plan.environ, capture_output=True, text=True, check=True)
    client = json.loads(printed.stdout)
    site.idp.cli("client", "update", client["client_id"], "--file", "-", stdin=json.dumps({"jwks": client["jwks"]}))
    assert set(site.cluster.roll([node.plan.name for node in nodes]).values()) == {0}


def test_the_secret_of_the_services_and_their_client_keys_are_replaced_under_load(site: Site) -> None:
    old = site.cluster.nodes["orders-1"].plan.environ["RS_SECRET"]
    new = secrets.token_urlsafe(48)

    def order() -> str:
        caller = site.caller(site.app.tokens(site.browser(), "alice", scope=SCOPE)["access_token"])
        made = ordered(caller)
        accepted(caller, f"/v2/orders/{made['id']}/checkouts", {})
        status: str = eventually(lambda: now(caller, made), lambda seen: seen["status"] not in OPEN)["status"]
        return status

    load = Load(order, 3)
    with load.running():
        eventually(lambda: load.told["paid"], lambda count: count > 2)
        change(site, RS_SECRET=old, RS_SECRET_OTHER=new)
        change(site, RS_SECRET=new, RS_SECRET_OTHER=old)
        change(site, RS_SECRET=new)
        before = load.told["paid"]
        eventually(lambda: load.told["paid"], lambda count: count > before + 2)
    assert set(load.told) == {"paid"}, load.told
