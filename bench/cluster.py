"""How requests a second grow from one node to three behind nginx, each held to 0.3 of a core; the load and nginx run on the rest."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from bench import load, processes, works
from bench.limit import Limited
from bench.load import Repeat
from bench.subject import API, Subject
from cluster.layout import idp_plans
from cluster.supervisor import Cluster
from tests.support import databases, servers
from tests.support.flows import App
from tests.support.ports import free_port
from tests.support.running import RunningIdp

SHARE = 0.3
_NODES = 3


def growth(folder: Path, seconds: float) -> dict[str, float]:
    """Tokens a second by one node and by three, and how much of a core each really used."""
    figures = {}
    with ExitStack() as running:
        postgres = running.enter_context(servers.postgres())
        url = running.enter_context(databases.empty_postgres(postgres))
        ports = {"IDP": free_port(), "API": free_port()}
        idp = RunningIdp(folder, url, issuer=f"http://127.0.0.1:{ports['IDP']}")
        idp.cli("init")
        idp.cli("resource", "create", API, "--scope", "read=Read things")
        service = App(idp.issuer, idp.client(grant_types=["client_credentials"], audience=[API]))
        plans = idp_plans(_NODES, idp.environ, folder, free_port)
        cluster = running.enter_context(Cluster(folder / "cluster", plans, listen=ports, revive=False))
        script = Repeat(load.post(works.TOKEN, works.SERVICE_FORM, Subject.basic(service)))
        nodes = cluster.group("idp")
        for node in nodes[1:]:
            cluster.balancer.take_out(node.plan.address)
        for count in (1, _NODES):
            for node in nodes[1:count]:
                cluster.balancer.put_in(node.plan.address)
            with ExitStack() as held:
                for number, node in enumerate(nodes[:count]):
                    held.enter_context(Limited(node.pid, SHARE, after=number / count))
                before = sum(processes.cpu_seconds(node.pid) for node in nodes[:count])
                measured = load.run(("127.0.0.1", ports["IDP"]), lambda _number: script, seconds=seconds)
                used = sum(processes.cpu_seconds(node.pid) for node in nodes[:count]) - before
            name = "one node" if count == 1 else "three nodes"
            figures[f"tokens/s, {name} of 0.3 CPU"] = measured.rate
            figures[f"CPU of each, {name}"] = used / count / (measured.seconds + 1)
    return figures
