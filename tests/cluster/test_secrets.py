"""A cluster under way shows none of its secrets: not to who lists processes, and not in any log."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Site
from tests.settings.secrecy import as_every_process_shows, shown_in
from tests.support.running import PASSWORD

NAMES = ("RS_SECRET", "RS_PROVIDER_SECRET", "RS_EVENTS_TOKEN")


def test_no_node_shows_a_secret(site: Site) -> None:
    shows_none(site)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_no_node_of_the_whole_cluster_shows_a_secret(whole: Site) -> None:
    shows_none(whole)


def shows_none(site: Site) -> None:
    """While it works."""
    tokens = site.app.tokens(site.browser(), "alice")
    assert site.app.userinfo(tokens["access_token"]).status_code == 200
    environs = [node.plan.environ for node in site.cluster.nodes.values()]
    hidden = {name: environ[name] for environ in environs for name in NAMES if name in environ}
    hidden |= {"master key": (site.idp.folder / "keys" / "master.key").read_text().strip()}
    hidden |= {one.client_id: one.client["client_secret"] for one in (site.app, site.service)}
    lines = as_every_process_shows(environments=False)
    assert "idp serve" in lines
    assert shown_in(lines, hidden) == []
    logs = "".join(node.log.read_text("utf-8") for node in site.cluster.nodes.values())
    logs += site.cluster.balancer.log.read_text("utf-8")
    assert "/oauth/token" in logs
    shown_once = {name: value for name, value in tokens.items() if name.endswith("_token")}
    assert shown_in(logs, {**hidden, "password": PASSWORD, **shown_once}) == []
