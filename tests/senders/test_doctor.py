"""`idp check` on certificates that cannot arrive and on a Redis that forgets used proofs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from tests.senders.authority import certify
from tests.support import servers
from tests.support.running import RunningIdp


def findings(folder: Path, **settings: str) -> list[str]:
    home = RunningIdp(folder / "idp", **settings)
    home.cli("init")
    found: list[str] = json.loads(home.run("check", "--json").stdout)["findings"]
    return found


@pytest.fixture
def authorities(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    path.write_bytes(certify("CN=Root", authority=True).pem)
    return str(path)


def test_certificates_that_cannot_arrive_are_found(tmp_path: Path, authorities: str) -> None:
    (found,) = findings(tmp_path, tls_client_ca_file=authorities)
    assert found.startswith("IDP_TLS_CLIENT_CA_FILE: no certificate can arrive")
    (found,) = findings(tmp_path, mtls_url="https://mtls.test")
    assert found.startswith("IDP_MTLS_URL: is not announced")
    missing = str(tmp_path / "missing.pem")
    assert f"{missing}: does not exist" in findings(tmp_path, tls_client_ca_file=missing)


def test_certificates_that_can_arrive_are_no_fault(tmp_path: Path, authorities: str) -> None:
    given = {"tls_client_ca_file": authorities, "mtls_url": "https://mtls.test", "client_cert_header": "Client-Cert"}
    assert findings(tmp_path, trusted_proxies="10.0.0.0/8", **given) == []


def test_a_redis_that_forgets_or_is_away_is_found(tmp_path: Path) -> None:
    with servers.redis() as url:
        assert findings(tmp_path, redis_url=url) == []
        redis.Redis.from_url(url).config_set("maxmemory-policy", "allkeys-lru")
        (found,) = findings(tmp_path, redis_url=url)
        assert found == "IDP_REDIS_URL: maxmemory-policy is allkeys-lru: it may forget used proofs; set noeviction"
    (found,) = findings(tmp_path, redis_url=url)
    assert found == "IDP_REDIS_URL: Redis is away, so that no DPoP proof is accepted"
