"""A log-in goes on whichever node is killed between two of its steps: nothing of it lies in a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import requests

from tests.cluster.conftest import Site
from tests.support.flows import App, Browser, answer_of


class Steps(requests.Session):
    """A browser's requests, with something that happens after each."""

    def __init__(self, after: Callable[[requests.Response], None]) -> None:
        super().__init__()
        self.taken = 0
        self._after = after
        self.headers["Accept"] = "text/html"

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        response = super().request(*arguments, **options)
        self.taken += 1
        self._after(response)
        return response


def replace_whoever_served(site: Site, response: requests.Response) -> None:
    """kill -9 the node that has just answered. It comes back for later: of three nodes two are there at each kill."""
    ended = site.served(response.headers["X-Request-Id"])
    ended.kill()
    assert not ended.alive
    for node in site.cluster.nodes.values():
        if node is not ended and not node.alive:
            node.start()
            node.wait_ready()


def test_a_log_in_survives_the_end_of_its_node_between_any_two_steps(site: Site) -> None:
    """Authorize, log-in page, password, consent, code, tokens, userinfo, refresh: each at a node that saw none of the others."""
    browser = Browser(site.idp.url)
    steps = browser.http = Steps(partial(replace_whoever_served, site))
    answer, verifier = site.app.login(browser, "alice", scope="openid offline_access payments:read")
    assert steps.taken >= 5, "the page, the password, the consent, and what lies between"

    redeemed = site.app.redeem(answer["code"], verifier)
    assert redeemed.status_code == 200, redeemed.text
    replace_whoever_served(site, redeemed)
    told = site.app.userinfo(redeemed.json()["access_token"])
    assert told.status_code == 200
    replace_whoever_served(site, told)
    refreshed = site.app.refresh(redeemed.json()["refresh_token"])
    assert refreshed.status_code == 200, refreshed.text

    replace_whoever_served(site, refreshed)
    again = answer_of(browser.open(site.app.authorize_url(scope="openid")[0]))
    assert "code" in again, "the session that a killed node opened is known to the others"


def test_a_code_is_redeemed_once_whichever_nodes_are_asked(site: Site) -> None:
    answer, verifier = site.app.login(Browser(site.idp.url), "alice")
    nodes = [App(node.plan.url, site.app.client) for node in site.cluster.nodes.values() if node.alive]
    statuses = [node.redeem(answer["code"], verifier).status_code for node in nodes]
    assert sorted(statuses) == [200, *[400] * (len(nodes) - 1)]
