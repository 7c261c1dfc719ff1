"""A client whose keys lie at its `jwks_uri` (RFC 7591 §2): proved by them, also after it rotated them, also while its host is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from joserfc import jwk

from tests.conftest import API
from tests.senders.authority import LOCALHOST, certify
from tests.support.assertions import Signed
from tests.support.flows import App
from tests.support.published import Site
from tests.support.running import RunningIdp


def signed_by_reference(idp: RunningIdp, site: Site) -> Signed:
    client = Signed(idp, jwks_uri=f"{site.url}/jwks", audience=[API])
    site.publish("/jwks", client.public)
    return client


def test_a_client_is_proved_by_the_keys_it_publishes(idp: RunningIdp, site: Site) -> None:
    client = signed_by_reference(idp, site)
    assert "jwks" not in client.client
    for _ in range(3):
        assert client.post().status_code == 200
    assert client.post({"kid": "k1"}).status_code == 200
    assert site.asked == ["/jwks"]


@pytest.mark.parametrize("kid", ["k2", "k1"])
def test_a_new_key_counts_at_once(idp: RunningIdp, site: Site, kid: str) -> None:
    """oidcc-refresh-token-rp-key-rotation: the key is looked for again when none fits, whether or not it has a new name."""
    client = signed_by_reference(idp, site)
    assert client.post().status_code == 200
    old, client.key = client.key, jwk.ECKey.generate_key("P-256", {"kid": kid})
    site.publish("/jwks", client.public)
    assert client.post({"kid": kid}).status_code == 200
    client.key = old
    assert client.post({"kid": "k1"}).json()["error"] == "invalid_client"


def test_strangers_cannot_make_us_fetch_without_end(idp: RunningIdp, site: Site) -> None:
    client = signed_by_reference(idp, site)
    client.key = jwk.ECKey.generate_key("P-256", {"kid": "mine"})
    for number in range(5):
        assert client.post({"kid": f"guess-{number}"}).status_code == 401
    assert len(site.asked) <= 2


def test_a_client_whose_host_is_away_is_known_by_the_keys_it_had(idp: RunningIdp, site: Site) -> None:
    client = signed_by_reference(idp, site)
    assert client.post().status_code == 200
    site.publish("/jwks", b"", status=503)
    assert client.post({"kid": "other"}).status_code == 401
    assert client.post().status_code == 200


def test_a_client_without_reachable_keys_proves_nothing(idp: RunningIdp, site: Site) -> None:
    client = Signed(idp, jwks_uri=f"{site.url}/nowhere")
    answer = client.post()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_keys_over_tls_are_believed_by_the_authorities_of_the_setting(idp: RunningIdp, tmp_path: Path) -> None:
    authority = certify("CN=Authority", authority=True)
    server = certify("CN=Site", by=authority, alternatives=LOCALHOST)
    with Site(server.files(tmp_path)) as site:
        client = signed_by_reference(idp, site)
        trusting = idp.node(outbound_ca_file=authority.files(tmp_path)[0])
        assert client.send(client.assertion(), base=trusting).status_code == 200
        assert client.post().status_code == 401


def test_a_service_with_a_secret_never_waits_for_anybodys_keys(idp: RunningIdp, site: Site) -> None:
    client = idp.client(grant_types=["client_credentials"], audience=[API], jwks_uri=f"{site.url}/jwks")
    assert App(idp.url, client).post("/oauth/token", grant_type="client_credentials").status_code == 200
    assert site.asked == []
