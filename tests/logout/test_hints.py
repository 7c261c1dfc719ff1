"""What an ID token proves at logout after the key that signed it is gone: much when it retired, nothing when it was revoked."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest
import requests

from idp.opening import master_key, open_house
from idp.platform.audit import Audit
from idp.settings_source import load
from idp.tokens.keyring import Keyring
from tests.logout.support import BYE, is_logged_in, logout_url, trusted
from tests.support.clocks import ManualClock
from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp

_YEAR = 365 * 86400


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """An identity provider of the test's own, since its keys will not be what they were."""
    with RunningIdp(tmp_path_factory.mktemp("rotating")) as idp:
        idp.user("ada")
        yield idp


def key_of(idp: RunningIdp, token: str) -> str:
    """The name of the key of this token, which is published."""
    kid = str(json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))["kid"])
    assert kid in published(idp)
    return kid


def published(idp: RunningIdp) -> set[str]:
    return {key["kid"] for key in requests.get(f"{idp.url}/oauth/jwks", timeout=30).json()["keys"]}


def retire(idp: RunningIdp) -> None:
    """As years pass: other keys sign, and what the old ones signed has ended."""
    settings, clock = load(idp.environ), ManualClock()
    with open_house(settings) as house:
        ring = Keyring(
            house.database, master_key(settings), clock, Audit(clock), jwks_max_age=_YEAR, longest_life=_YEAR
        )
        for _ in range(2):
            ring.rotate()
            clock.advance(2 * _YEAR)
            ring.promote_due()


def wait_until_gone(idp: RunningIdp, kid: str) -> None:
    """Until the server publishes the key no more."""
    deadline = time.monotonic() + 30
    while kid in published(idp):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_id_token_whose_key_has_left_the_jwks_is_still_a_hint(rotating: RunningIdp) -> None:
    app, browser = trusted(rotating), Browser(rotating.url)
    hint = app.tokens(browser, "ada")["id_token"]
    kid = key_of(rotating, hint)
    retire(rotating)
    wait_until_gone(rotating, kid)
    response = browser.open(logout_url(rotating.url, id_token_hint=hint, post_logout_redirect_uri=BYE))
    assert response.headers["Location"] == BYE
    assert not is_logged_in(app, browser)


def test_an_id_token_whose_key_was_revoked_is_no_hint(rotating: RunningIdp) -> None:
    """Whoever stole the key could sign one: the person is asked, and nobody is led away."""
    app, browser = trusted(rotating), Browser(rotating.url)
    hint = app.tokens(browser, "ada")["id_token"]
    kid = key_of(rotating, hint)
    rotating.cli("keys", "revoke", kid)
    wait_until_gone(rotating, kid)
    response = browser.open(logout_url(rotating.url, id_token_hint=hint, post_logout_redirect_uri=BYE))
    assert "logout" in Page(response).forms
    assert is_logged_in(app, browser)
