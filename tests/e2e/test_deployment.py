"""Behind TLS of its own and behind a proxy: cookies with their prefix, HSTS, and whose address counts."""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.flows import Browser, Page
from tests.support.ports import free_port
from tests.support.running import PASSWORD, RunningIdp


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(*pem))
    return paths


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningIdp, Path]]:
    """Production with TLS at the server itself."""
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    certificate_file, key_file = certificate(folder)
    idp = RunningIdp(folder / "idp", tls_cert_file=str(certificate_file), tls_key_file=str(key_file), env="production")
    idp.port, idp.url = port, f"https://127.0.0.1:{port}"
    idp.environ["IDP_ISSUER"] = idp.issuer = idp.url
    with idp.cluster():
        idp.cli("init")
        idp.user("alice")
        idp.node(port, scheme="https", ca=certificate_file)
        yield idp, certificate_file


def test_over_tls_cookies_are_bound_to_the_host(secured: tuple[RunningIdp, Path]) -> None:
    idp, ca = secured
    browser = Browser(idp.url)
    browser.http.verify, browser.http.trust_env = str(ca), False
    first = browser.open(f"{idp.url}/login")
    page = browser.submit(Page(first), "login", username="alice", password=PASSWORD)
    assert "Hello" in page.text
    names = ("flow", "session", "device", "browser-state")
    assert set(browser.http.cookies.keys()) == {f"__Host-idp-{name}" for name in names}
    assert all(cookie.secure and cookie.path == "/" for cookie in browser.http.cookies)
    assert "max-age=" in first.headers["Strict-Transport-Security"]


def test_discovery_names_https_everywhere(secured: tuple[RunningIdp, Path]) -> None:
    idp, ca = secured
    metadata = requests.get(f"{idp.url}/.well-known/openid-configuration", verify=str(ca), timeout=10).json()
    endpoints = [value for name, value in metadata.items() if name.endswith(("_endpoint", "_uri", "issuer"))]
    assert endpoints
    assert all(value.startswith("https://") for value in endpoints)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "peer"),
    [
        ("127.0.0.0/8", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.0/8", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.0/8,203.0.113.0/24", "198.51.100.1, 203.0.113.7", "198.51.100.1"),
        ("127.0.0.0/8", "not an address", "127.0.0.1"),
        ("10.0.0.0/8", "203.0.113.7", "127.0.0.1"),
        ("", "203.0.113.7", "127.0.0.1"),
    ],
)
def test_an_address_is_believed_from_trusted_proxies_only(
    tmp_path: Path, trusted: str, forwarded: str, peer: str
) -> None:
    with RunningIdp(tmp_path / "idp", **({"trusted_proxies": trusted} if trusted else {})) as idp:
        requests.get(
            f"{idp.url}/livez", headers={"X-Forwarded-For": forwarded, "X-Request-Id": "asked-by-proxy"}, timeout=10
        )
        lines = [json.loads(line) for line in idp.logs(until="asked-by-proxy").splitlines() if "asked-by-proxy" in line]
    assert [line["peer"] for line in lines] == [peer]
