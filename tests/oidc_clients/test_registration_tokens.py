"""Registration for holders of a token (RFC 7591 §3): made by the operator, used so often and so long, kept as a digest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from idp.oauth import registration_tokens
from idp.oauth.registration_tokens import RegistrationTokens
from idp.platform.audit import Audit
from idp.platform.db import Database
from tests.oidc_clients.registering import CALLBACK, Owned, post
from tests.support.clocks import ManualClock
from tests.support.running import RunningIdp

CLIENT = {"redirect_uris": [CALLBACK]}


@pytest.fixture(scope="session")
def gated(registry: RunningIdp) -> str:
    """A node where registration needs a token."""
    return registry.node(registration="token")


def new_token(registry: RunningIdp, *options: str) -> dict[str, Any]:
    made: dict[str, Any] = registry.cli("client", "registration-token", "create", *options)
    return made


def test_without_a_token_nobody_registers(registry: RunningIdp, gated: str) -> None:
    refused = post(gated, CLIENT)
    assert (refused.status_code, refused.headers["WWW-Authenticate"], refused.text) == (401, "Bearer", "")
    for token in ("", "guess"):
        refused = post(gated, CLIENT, token=token)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        assert refused.json()["error"] == "invalid_token"


def test_whoever_holds_one_registers_as_often_as_it_says(registry: RunningIdp, gated: str) -> None:
    token = new_token(registry, "--uses", "2")["token"]
    assert post(gated, {"redirect_uris": []}, token=token).status_code == 400
    assert [post(gated, CLIENT, token=token).status_code for _ in range(3)] == [201, 201, 401]
    endless = new_token(registry)["token"]
    assert [post(gated, CLIENT, token=endless).status_code for _ in range(3)] == [201, 201, 201]


def test_of_many_at_once_as_many_register_as_it_says(registry: RunningIdp, gated: str) -> None:
    token = new_token(registry, "--uses", "3")["token"]
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: post(gated, CLIENT, token=token), range(8))]
    assert sorted(statuses) == [201] * 3 + [401] * 5


def test_an_expired_or_deleted_one_opens_nothing(registry: RunningIdp, gated: str) -> None:
    made = new_token(registry, "--ttl", "3600")
    assert post(gated, CLIENT, token=made["token"]).status_code == 201
    registry.cli("client", "registration-token", "delete", made["id"])
    assert post(gated, CLIENT, token=made["token"]).status_code == 401


def test_it_is_shown_once_and_kept_as_a_digest(registry: RunningIdp) -> None:
    made = new_token(registry, "--name", "Partner", "--uses", "5", "--ttl", "60")
    (listed,) = [one for one in registry.cli("client", "registration-token", "list") if one["id"] == made["id"]]
    assert listed == {name: value for name, value in made.items() if name != "token"}
    assert (listed["name"], listed["uses_left"]) == ("Partner", 5)
    assert listed["expires_at"] == listed["created_at"] + 60
    assert made["token"] not in registry.run("client", "registration-token", "list").stdout


def test_a_holder_may_register_a_service(registry: RunningIdp, gated: str) -> None:
    service = {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post"}
    assert post(registry.url, service).status_code == 400
    assert post(gated, service, token=new_token(registry)["token"]).status_code == 201


def test_the_initial_token_does_not_manage_clients(registry: RunningIdp, gated: str) -> None:
    token = new_token(registry)["token"]
    client = Owned(post(gated, CLIENT, token=token).json())
    assert client.call("GET", token=token).status_code == 401
    assert post(gated, CLIENT, token=client.token).status_code == 401


def test_the_doctor_sees_resources_that_are_none(registry: RunningIdp) -> None:
    registry.environ["IDP_REGISTRATION_AUDIENCE"] = "https://missing.test"
    try:
        told = registry.run("check", "--json").stdout
    finally:
        del registry.environ["IDP_REGISTRATION_AUDIENCE"]
    assert "https://missing.test is not a resource" in told


def test_expired_ones_are_pruned(database: Database, clock: ManualClock) -> None:
    tokens = RegistrationTokens(database, clock, Audit(clock))
    for ttl in (10, 20, None):
        tokens.create(ttl=ttl)
    clock.advance(10)
    with database.write() as tx:
        assert registration_tokens.prune(tx, clock.now(), 100) == 1
    assert sorted(one.expires_at is None for one in tokens.list()) == [False, True]
