"""A signing key that fell into wrong hands: taken out at once on every node, and nothing it signed is believed, whatever that says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from idp.opening import open_house
from idp.settings_source import load
from idp.tokens import jose
from tests.conftest import API
from tests.platform.receivers import ReceiverServer
from tests.support.flows import App, Browser, claims
from tests.support.running import RunningIdp
from tests.support.status import eventually
from tests.tokens.support import pem


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """An identity provider of the test's own, since its keys will not be what they were."""
    with RunningIdp(tmp_path_factory.mktemp("keys")) as idp:
        idp.user("alice")
        idp.cli("resource", "create", API, "--scope", "read=Read things")
        yield idp


@pytest.fixture
def app(running: RunningIdp) -> App:
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    made = running.client(redirect_uris=["https://app.test/"], grant_types=grants, audience=[API], introspects=[API])
    return App(running.url, made)


def signing_kid(idp: RunningIdp) -> str:
    (kid,) = [key["kid"] for key in idp.cli("keys", "list") if (key["alg"], key["state"]) == ("ES256", "active")]
    return str(kid)


def published(base: str) -> set[str]:
    return {key["kid"] for key in requests.get(f"{base}/oauth/jwks", timeout=30).json()["keys"]}


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def forged(idp: RunningIdp, token: str, **changes: Any) -> str:
    """What whoever has the key can sign."""
    with open_house(load(idp.environ)) as house:
        house.keyring.reload()
        return house.keyring.signer("ES256").compose("at+jwt", {**claims(token), **changes})


def test_what_a_revoked_key_signed_is_refused_at_once_on_every_node(running: RunningIdp, app: App) -> None:
    nodes = (running.url, running.node(workers=2))
    token = app.tokens(Browser(running.url), "alice", scope="openid read")["access_token"]
    tomorrow = int(time.time()) + 86400
    of_tomorrow = forged(running, token, iat=tomorrow, exp=tomorrow + 300)
    for one in (token, of_tomorrow):
        assert app.userinfo(one).status_code == 200
    kid = signing_kid(running)
    running.cli("keys", "revoke", kid)
    for base in nodes:
        for one in (token, of_tomorrow):
            assert app.post("/oauth/introspect", base=base, token=one).json() == {"active": False}
            bearer = {"Authorization": f"Bearer {one}"}
            assert requests.get(f"{base}/oauth/userinfo", headers=bearer, timeout=30).status_code == 401


def test_it_leaves_the_jwks_of_every_node_and_another_key_signs(running: RunningIdp, app: App) -> None:
    nodes = (running.url, running.node(workers=2))
    kid = signing_kid(running)
    running.cli("keys", "revoke", kid)
    successor = signing_kid(running)

    def have_followed() -> bool:
        signed = [app.post("/oauth/token", base=base, grant_type="client_credentials").json() for base in nodes]
        shown = [published(base) for base in nodes]
        return all(kid_of(one["access_token"]) == successor for one in signed) and not any(kid in one for one in shown)

    eventually(have_followed)


def test_a_next_key_that_waits_takes_over(running: RunningIdp) -> None:
    """Whoever keeps a JWKS knows it already."""
    (waiting,) = running.cli("keys", "rotate", "--alg", "ES256")
    running.cli("keys", "revoke", signing_kid(running))
    assert signing_kid(running) == waiting["kid"]


def test_receivers_are_told_of_the_key(running: RunningIdp) -> None:
    with ReceiverServer() as receiver:
        running.cli("receiver", "create", receiver.url, "--events", "status.*", "--audience", API)
        kid = signing_kid(running)
        running.cli("keys", "revoke", kid)
        eventually(lambda: bool(receiver.claims))
    (told,) = receiver.claims
    assert told["events"]["urn:idp:event:status.key_revoked"]["status"] == {"kid": kid}


def test_a_kid_may_begin_with_a_hyphen(running: RunningIdp) -> None:
    """One in 64 does; in an emergency is no time to find out that the command takes it for an option."""
    key = jose.generate("ES256")
    while not (kid := jose.public_jwk("ES256", key)["kid"]).startswith("-") or "h" not in kid:
        key = jose.generate("ES256")
    running.cli("keys", "import", "--file", "-", "--state", "active", stdin=pem(key))
    assert signing_kid(running) == kid
    assert running.cli("keys", "revoke", kid) == {"kid": kid, "revoked": True}
    assert signing_kid(running) != kid
