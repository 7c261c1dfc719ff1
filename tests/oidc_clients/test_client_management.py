"""A client's own configuration endpoint (RFC 7592): read, replaced and deleted by the holder of its management token alone."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.oidc_clients.registering import CALLBACK, audited, refusal, registered
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp

OTHER = "https://app.test/other"


def test_a_client_reads_what_it_registered(registry: RunningIdp) -> None:
    client = registered(registry.url, client_name="Mine")
    shown = client.read()
    assert shown == {name: value for name, value in client.document.items() if not name.startswith("client_secret")}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_each_management_token_opens_one_client(registry: RunningIdp, method: str) -> None:
    client, stranger = registered(registry.url), registered(registry.url)
    body = {"client_id": client.client_id, "redirect_uris": [OTHER]} if method == "PUT" else None
    for token in (stranger.token, "guess", "", client.document["client_secret"]):
        refused = client.call(method, body, token=token)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    bare = requests.request(method, client.url, json=body)
    assert (bare.status_code, bare.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.read()["redirect_uris"] == [CALLBACK]


def test_a_client_of_the_operator_cannot_be_managed(registry: RunningIdp) -> None:
    made = registry.client(redirect_uris=[CALLBACK])
    url = f"{registry.url}/oauth/register?client_id={made['client_id']}"
    for token in ("", "guess", made["client_secret"]):
        assert requests.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("query", ["", "?client_id=", "?client_id=unknown", "?client_id=a&client_id=b"])
def test_an_unknown_client_is_answered_like_a_wrong_token(registry: RunningIdp, query: str) -> None:
    token = {"Authorization": f"Bearer {registered(registry.url).token}"}
    answer = requests.get(f"{registry.url}/oauth/register{query}", headers=token)
    assert answer.status_code == (400 if "&" in query else 401)


def test_a_replacement_is_whole(registry: RunningIdp) -> None:
    client = registered(registry.url, client_name="Old", policy_uri="https://app.test/policy", scope="openid email")
    answer = client.put(redirect_uris=[OTHER], client_name="New")
    assert answer.status_code == 200
    assert answer.json()["client_name"] == "New"
    assert answer.json()["redirect_uris"] == [OTHER]
    assert "policy_uri" not in answer.json()
    assert client.read() == answer.json()
    assert answer.json()["registration_access_token"] == client.token


def test_what_was_read_can_be_written_back(registry: RunningIdp) -> None:
    client = registered(registry.url, client_name="Same", scope="openid")
    before = client.read()
    secret = client.document["client_secret"]
    answer = client.call("PUT", {**before, "client_secret": secret, "client_secret_expires_at": 0})
    assert (answer.status_code, answer.json()) == (200, before)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"redirect_uris": [CALLBACK + "#x"]}, "invalid_redirect_uri"),
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK], "grant_types": ["password"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_id": "another"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_id": None}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_secret": "s" * 43}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_secret": 5}, "invalid_client_metadata"),
    ],
    ids=str,
)
def test_a_refused_replacement_changes_nothing(registry: RunningIdp, change: dict[str, Any], code: str) -> None:
    client = registered(registry.url, client_name="Kept")
    assert refusal(client.put(**change)) == code
    assert client.read()["client_name"] == "Kept"


def test_the_secret_goes_with_the_method_that_needs_it(registry: RunningIdp) -> None:
    client = registered(registry.url)
    assert "client_secret" not in client.put(redirect_uris=[CALLBACK]).json()
    public = client.put(redirect_uris=[CALLBACK], token_endpoint_auth_method="none").json()
    assert not {"client_secret", "client_secret_expires_at"} & public.keys()
    again = client.put(redirect_uris=[CALLBACK], token_endpoint_auth_method="client_secret_post").json()
    assert again["client_secret_expires_at"] == 0
    assert again["client_secret"] != client.document["client_secret"]


def test_what_an_operator_decided_since_stays(registry: RunningIdp) -> None:
    registry.cli("resource", "create", "https://given.test", "--scope", "read=Read")
    client = registered(registry.url)
    registry.cli(
        *("client", "update", client.client_id, "--file", "-"),
        stdin='{"consent": "trusted", "audience": ["https://given.test"], "scope": "openid read"}',
    )
    assert client.put(redirect_uris=[CALLBACK], scope="openid email read").json()["scope"] == "openid email read"
    shown = registry.cli("client", "show", client.client_id)
    assert (shown["consent"], shown["audience"]) == ("trusted", ["https://given.test"])


def test_a_disabled_client_cannot_manage_itself(registry: RunningIdp) -> None:
    client = registered(registry.url)
    registry.cli("client", "disable", client.client_id)
    for method in ("GET", "DELETE"):
        assert client.call(method).status_code == 403
    assert client.put(redirect_uris=[CALLBACK]).status_code == 403
    registry.cli("client", "enable", client.client_id)
    assert client.call("GET").status_code == 200


def test_deleting_ends_all_the_client_had(registry: RunningIdp) -> None:
    """RFC 7592 §2.3."""
    client = registered(registry.url, grant_types=["authorization_code", "refresh_token"])
    app = App(registry.url, client.document)
    browser = Browser(registry.url)
    tokens = app.tokens(browser, "alice", scope="openid offline_access")
    assert app.userinfo(tokens["access_token"]).status_code == 200
    gone = client.call("DELETE")
    assert (gone.status_code, gone.content) == (204, b"")
    assert "Content-Type" not in gone.headers
    assert app.userinfo(tokens["access_token"]).status_code == 401
    for method in ("GET", "DELETE"):
        assert client.call(method).status_code == 401
    _eventually_refused(app, tokens["refresh_token"])
    assert registry.run("client", "show", client.client_id).returncode == 1


def _eventually_refused(app: App, refresh_token: str) -> None:
    answer = app.refresh(refresh_token)
    assert answer.json()["error"] in {"invalid_client", "invalid_grant"}


def test_every_change_is_audited(registry: RunningIdp) -> None:
    client = registered(registry.url)
    client.put(redirect_uris=[OTHER])
    client.call("DELETE")
    told = audited(registry, client.client_id)
    assert [one["event"] for one in told] == ["client.created", "client.updated", "client.deleted"]
