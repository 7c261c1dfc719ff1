"""Third-party-initiated login (OpenID Connect Core §4): a client says where others may send people to begin a login."""

from __future__ import annotations

import pytest

from tests.oidc_clients.registering import CALLBACK, post, refusal, registered
from tests.support.running import RunningIdp

START = "https://app.test/login/start?from=elsewhere"


def test_the_address_is_kept_and_told(registry: RunningIdp) -> None:
    client = registered(registry.url, initiate_login_uri=START)
    assert client.document["initiate_login_uri"] == START
    assert client.read()["initiate_login_uri"] == START


@pytest.mark.parametrize(
    "address",
    ["http://app.test/start", "http://127.0.0.1/start", "app.test/start", "https:///start", 7, [START]],
)
def test_an_address_without_https_is_refused(registry: RunningIdp, address: object) -> None:
    answer = post(registry.url, {"redirect_uris": [CALLBACK], "initiate_login_uri": address})
    assert refusal(answer) == "invalid_client_metadata"
