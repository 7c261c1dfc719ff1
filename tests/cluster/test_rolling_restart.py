"""All nodes are restarted one after the other while requests come in, and not one of them fails."""

from __future__ import annotations

from tests.cluster.conftest import Site
from tests.cluster.load import Load


def test_a_rolling_restart_loses_no_request(site: Site) -> None:
    """Whole log-ins and service tokens; nothing is repeated by anybody."""
    before = {name: node.pid for name, node in site.cluster.nodes.items() if node.alive}

    def log_in() -> str:
        tokens = site.app.tokens(site.browser(), "alice", scope="openid payments:read")
        return f"userinfo {site.app.userinfo(tokens['access_token']).status_code}"

    def take_token() -> int:
        return site.service.post("/oauth/token", grant_type="client_credentials").status_code

    people, services = Load(log_in, 1), Load(take_token, 2)
    with people.running(), services.running():
        statuses = site.cluster.roll(sorted(before))
    assert set(people.told) == {"userinfo 200"}, people.told
    assert set(services.told) == {200}, services.told
    assert set(statuses.values()) == {0}, "every node ended by itself"
    assert all(site.cluster.nodes[name].pid != pid for name, pid in before.items())
