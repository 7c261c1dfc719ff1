"""What the command line changes, running servers follow: keys, clients, resources and people, on every node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.support.flows import App, Browser, claims
from tests.support.running import PASSWORD, RunningIdp

API = "https://api.test"
WITHIN = 10
"""Seconds a test waits for what is promised within two: the machine may be busy."""


def eventually(holds: Callable[[], Any], within: float = WITHIN) -> Any:
    """What `holds` says once it is true."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def nodes(served: RunningIdp) -> list[str]:
    served.cli("resource", "create", API, "--scope", "read=Read things")
    return [served.url, f"http://127.0.0.1:{served.nodes[1].log.stem.removeprefix('idp-')}"]


@pytest.fixture
def service(served: RunningIdp, nodes: list[str]) -> App:
    return App(served.url, served.client(grant_types=["client_credentials"], audience=[API], introspects=[API]))


@pytest.fixture
def web(served: RunningIdp, nodes: list[str]) -> App:
    metadata = {"redirect_uris": ["https://app.test/cb"], "grant_types": ["authorization_code", "refresh_token"]}
    return App(served.url, served.client(**metadata, consent="trusted"))


def published(base: str) -> set[str]:
    keys = requests.get(f"{base}/oauth/jwks", timeout=10).json()["keys"]
    return {key["kid"] for key in keys}


def signing(service: App, base: str) -> str:
    """The kid of a token made right now at this node."""
    response = service.post("/oauth/token", base=base, grant_type="client_credentials")
    return str(_header(response.json()["access_token"])["kid"])


def _header(token: str) -> dict[str, Any]:
    return claims(f".{token.split('.', maxsplit=1)[0]}.")


def token(service: App, base: str) -> requests.Response:
    return service.post("/oauth/token", base=base, grant_type="client_credentials")


# -- keys -------------------------------------------------------------------------------------------------------------


def test_a_new_key_is_published_at_once_and_signs_later(served: RunningIdp, nodes: list[str], service: App) -> None:
    before = signing(service, nodes[0])
    (made,) = served.cli("keys", "rotate", "--alg", "ES256")
    assert made["state"] == "next"
    assert made["activates_at"] >= time.time() + 300
    for base in nodes:
        eventually(lambda base=base: made["kid"] in published(base))
    assert {signing(service, base) for base in nodes} == {before}
    (again,) = served.cli("keys", "rotate", "--alg", "ES256")
    assert again == made

    (sooner,) = served.cli("keys", "rotate", "--alg", "ES256", "--now")
    assert sooner["kid"] == made["kid"]
    assert sooner["activates_at"] <= time.time() + 11
    old = token(service, nodes[0]).json()["access_token"]
    for base in nodes:
        eventually(lambda base=base: signing(service, base) == made["kid"], within=40)
    assert before in published(nodes[0])
    assert service.introspect(old)["active"] is True


def test_a_revoked_key_leaves_every_node_and_takes_its_tokens_along(
    served: RunningIdp, nodes: list[str], service: App
) -> None:
    old, kid = token(service, nodes[0]).json()["access_token"], signing(service, nodes[0])
    assert service.introspect(old)["active"] is True
    assert served.cli("keys", "revoke", kid) == {"kid": kid, "revoked": True}
    for base in nodes:
        eventually(lambda base=base: kid not in published(base))
        eventually(lambda base=base: signing(service, base) != kid)
    assert service.introspect(old) == {"active": False}
    assert [key["state"] for key in served.cli("keys", "list") if key["kid"] == kid] == ["retired"]
    assert kid not in {key["kid"] for key in served.cli("keys", "export", "--public")["keys"]}


# -- clients and resources --------------------------------------------------------------------------------------------


def test_a_disabled_client_is_refused_and_its_tokens_end(served: RunningIdp, nodes: list[str], service: App) -> None:
    watcher = App(served.url, served.client(grant_types=["client_credentials"], introspects=[API]))
    given = token(service, nodes[0]).json()["access_token"]
    assert watcher.introspect(given)["active"] is True
    served.cli("client", "disable", service.client_id)
    assert watcher.introspect(given) == {"active": False}
    for base in nodes:
        eventually(lambda base=base: token(service, base).status_code == 401)
    served.cli("client", "enable", service.client_id)
    for base in nodes:
        eventually(lambda base=base: token(service, base).status_code == 200)
    assert watcher.introspect(given) == {"active": False}


def test_a_new_secret_replaces_the_old_one_after_its_grace(served: RunningIdp, nodes: list[str], service: App) -> None:
    old = App(served.url, dict(service.client))
    service.client |= served.cli("client", "rotate-secret", service.client_id, "--grace", "3600")
    for base in nodes:
        eventually(lambda base=base: token(service, base).status_code == 200)
        assert token(old, base).status_code == 200
    service.client |= served.cli("client", "rotate-secret", service.client_id)
    for base in nodes:
        eventually(lambda base=base: token(service, base).status_code == 200)
        eventually(lambda base=base: token(old, base).status_code == 401)


def test_a_changed_client_and_a_new_resource_are_known_on_every_node(
    served: RunningIdp, nodes: list[str], service: App
) -> None:
    assert {token(service, base).json()["scope"] for base in nodes} == {"read"}
    uri = f"https://{service.client_id}.test"
    served.cli("resource", "create", uri, "--scope", "new=Do something new", "--token-ttl", "7")
    patch = json.dumps({"audience": [uri]})
    served.cli("client", "update", service.client_id, "--file", "-", stdin=patch)
    for base in nodes:
        eventually(lambda base=base: token(service, base).json().get("scope") == "new")
        assert token(service, base).json()["expires_in"] == 7


def test_a_deleted_client_is_gone(served: RunningIdp, nodes: list[str], service: App) -> None:
    assert token(service, nodes[1]).status_code == 200
    served.cli("client", "delete", service.client_id)
    for base in nodes:
        eventually(lambda base=base: token(service, base).status_code == 401)


# -- people -----------------------------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[RunningIdp, str], Any]] = {
    "disabled": lambda idp, name: idp.cli("user", "disable", name),
    "deleted": lambda idp, name: idp.cli("user", "delete", name),
    "new password": lambda idp, name: idp.cli(
        "user", "set-password", name, "--password-stdin", stdin="another good pass phrase\n"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_happens_to_a_person_ends_sessions_and_tokens_with_the_next_request(
    served: RunningIdp, nodes: list[str], web: App, change: str
) -> None:
    name = f"person-{change.replace(' ', '-')}"
    served.user(name)
    browser = Browser(served.url)
    tokens = web.tokens(browser, name, scope="openid offline_access")
    assert web.userinfo(tokens["access_token"]).status_code == 200
    assert "code=" in browser.open(web.authorize_url()[0]).headers["Location"]

    CHANGES[change](served, name)
    for base in nodes:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert requests.get(f"{base}/oauth/userinfo", headers=headers, timeout=10).status_code == 401
    assert web.introspect(tokens["access_token"]) == {"active": False}
    assert web.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert 'id="login"' in browser.open(web.authorize_url()[0]).text


def test_a_disabled_person_cannot_log_in_until_enabled(served: RunningIdp, web: App) -> None:
    served.user("paused")
    served.cli("user", "disable", "paused")
    browser = Browser(served.url)
    with pytest.raises(AssertionError):
        web.tokens(browser, "paused")
    served.cli("user", "enable", "paused")
    assert web.tokens(Browser(served.url), "paused")["access_token"]
    assert PASSWORD not in served.logs()


def test_a_claim_that_changes_shows_at_userinfo(served: RunningIdp, web: App) -> None:
    served.user("renamed", "--claim", "given_name=Before")
    tokens = web.tokens(Browser(served.url), "renamed", scope="openid profile")
    served.cli("user", "update", "renamed", "--claim", "given_name=After")
    assert web.userinfo(tokens["access_token"]).json()["given_name"] == "After"
