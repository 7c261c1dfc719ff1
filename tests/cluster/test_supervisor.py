"""What watches over the nodes: it says which of them it started again, and does not start where somebody else listens."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from cluster.__main__ import alone
from cluster.node import Plan
from cluster.round_robin import RoundRobin
from cluster.supervisor import Cluster
from idp.cli import demo
from tests.payments.paying import eventually
from tests.support.running import clean_environment
from tests.support.servers import free_port


def plan(port: int) -> Plan:
    """A node that answers, and does nothing else."""
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    return Plan("idp-1", "idp", port, command, clean_environment(), "/")


def test_a_node_that_was_killed_comes_back_and_its_new_process_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    listen = {"IDP": free_port(), "API": free_port()}
    with Cluster(tmp_path, [plan(free_port())], listen=listen, balance=RoundRobin, tell=told.append) as cluster:
        node = cluster.nodes["idp-1"]
        before = node.pid
        node.kill()
        eventually(lambda: told, bool)
        eventually(node.ready, bool)
        assert node.pid != before
        assert told == [f"idp-1 was gone and is started again: process {node.pid}"]


def test_the_payment_provider_knows_the_services_by_the_secret_they_share(tmp_path: Path) -> None:
    provider = demo.Part("payment provider", ["provider"], {"RS_ENV": "development"}, f"{demo.PROVIDER}/readyz")
    app = demo.Part("sample app", ["app"], {}, f"{demo.APP}/")
    known = {made.name: made.environ for made in alone({one.name: one for one in (provider, app)}, "ours", tmp_path)}
    assert known["payment-provider"]["RS_SECRET"] == "ours"
    assert "RS_SECRET" not in known["sample-app"]


@pytest.mark.parametrize("whose", ["node", "balancer"])
def test_nothing_starts_where_somebody_else_listens(tmp_path: Path, whose: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = {"node": free_port(), "balancer": free_port(), whose: taken}
        listen = {"IDP": ports["balancer"], "API": free_port()}
        cluster = Cluster(tmp_path, [plan(ports["node"])], listen=listen, balance=RoundRobin)
        with pytest.raises(RuntimeError, match=f"something else listens on port {taken}"):
            cluster.__enter__()
        assert not cluster.nodes["idp-1"].alive
