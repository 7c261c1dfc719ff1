"""Nonces of ours in DPoP proofs: given out, demanded, and good on every node for a while (RFC 9449 §8, §9)."""

from __future__ import annotations

import pytest
import requests

from idp.oauth.dpop_nonces import PERIOD, Nonces
from idp.platform.secrets import MasterKey
from tests.conftest import API
from tests.senders.conftest import web_client
from tests.senders.holder import BoundApp
from tests.support.clocks import ManualClock
from tests.support.flows import Browser
from tests.support.running import RunningIdp


@pytest.fixture(scope="module")
def demanding(idp: RunningIdp) -> str:
    """A node that demands nonces."""
    return idp.node(dpop_nonce="true")


@pytest.fixture(scope="module")
def app(idp: RunningIdp) -> BoundApp:
    return BoundApp(idp.url, idp.client(grant_types=["client_credentials"], audience=[API]))


def ask(app: BoundApp, base: str, nonce: str | None) -> requests.Response:
    proof = app.key.proof("POST", f"{app.idp}/oauth/token", nonce=nonce)
    return app.post("/oauth/token", base=base, proof=proof, grant_type="client_credentials", scope="read")


def test_a_proof_without_our_nonce_is_told_the_nonce_to_use(app: BoundApp, demanding: str) -> None:
    for nonce in (None, "", "stale", "x" * 500, "é"):
        refused = ask(app, demanding, nonce)
        assert (refused.status_code, refused.json()["error"]) == (400, "use_dpop_nonce")
        accepted = ask(app, demanding, refused.headers["DPoP-Nonce"])
        assert (accepted.status_code, accepted.json()["token_type"]) == (200, "DPoP")
        assert ask(app, demanding, accepted.headers["DPoP-Nonce"]).status_code == 200


def test_a_nonce_does_not_make_a_proof_good_twice(app: BoundApp, demanding: str) -> None:
    nonce = ask(app, demanding, None).headers["DPoP-Nonce"]
    proof = app.key.proof("POST", f"{app.idp}/oauth/token", nonce=nonce)
    data = {"grant_type": "client_credentials", "scope": "read", "proof": proof}
    assert app.post("/oauth/token", base=demanding, **data).status_code == 200
    assert app.post("/oauth/token", base=demanding, **data).json()["error"] == "invalid_dpop_proof"


def test_who_sends_no_proof_needs_no_nonce(app: BoundApp, demanding: str) -> None:
    answer = app.post("/oauth/token", base=demanding, proof=None, grant_type="client_credentials", scope="read")
    assert (answer.status_code, answer.headers.get("DPoP-Nonce")) == (200, None)


def test_userinfo_demands_it_too(idp: RunningIdp, demanding: str) -> None:
    app = BoundApp(idp.url, web_client(idp, token_endpoint_auth_method="none"))
    token = app.tokens(Browser(idp.url), "alice")["access_token"]
    nonce = None
    for status in (401, 200, 200):
        proof = app.key.proof("GET", f"{idp.url}/oauth/userinfo", token=token, nonce=nonce)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        answer = requests.get(f"{demanding}/oauth/userinfo", headers=headers, timeout=10)
        assert answer.status_code == status
        nonce = answer.headers["DPoP-Nonce"]
        if status == 401:
            assert answer.headers["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce"')


def test_a_nonce_is_good_for_its_period_and_the_next_on_every_node() -> None:
    clock, master = ManualClock(), MasterKey(b"k" * 32)
    clock.advance(PERIOD - clock.now() % PERIOD)
    one, other = Nonces(master, clock), Nonces(MasterKey(b"k" * 32), clock)
    nonce = one.current()
    assert (one.is_good(nonce), other.is_good(nonce), Nonces(MasterKey(b"o" * 32), clock).is_good(nonce)) == (
        True,
        True,
        False,
    )
    clock.advance(2 * PERIOD - 1)
    assert other.is_good(nonce)
    assert other.current() != nonce
    clock.advance(1)
    assert not other.is_good(nonce)
