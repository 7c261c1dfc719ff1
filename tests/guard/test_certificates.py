"""Tokens bound to a client certificate: seen in the TLS connection, or told by a proxy that is trusted (RFC 8705, RFC 9440)."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from token_guard import CertificateHeader, Needs, Presented
from token_guard.certificates import pem_thumbprint, thumbprint

from tests.guard import certs
from tests.guard.certs import Certified
from tests.guard.minting import token
from tests.guard.proofs import HOLDER, guard, proof
from tests.guard.serving import flask_app, wsgi

PROXY = ("127.0.0.1", "10.0.0.0/8")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certs.make(tmp_path_factory.mktemp("certs"), "authority")


@pytest.fixture(scope="module")
def holder(authority: Certified) -> Certified:
    return certs.make(authority.cert_file.parent, "holder", authority)


@pytest.fixture(scope="module")
def other(authority: Certified) -> Certified:
    return certs.make(authority.cert_file.parent, "other", authority)


@pytest.fixture(scope="module")
def tls_url(authority: Certified) -> Iterator[str]:
    """An API behind TLS that asks for certificates, without a proxy."""
    server = certs.make(authority.cert_file.parent, "server", authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert_file))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(*server.files)
    with wsgi(flask_app(guard()), context) as url:
        yield url


@pytest.fixture(scope="module")
def proxied() -> Iterator[str]:
    with wsgi(flask_app(guard(certificates=CertificateHeader(PROXY)))) as url:
        yield url


def bound(holder: Certified, **changes: Any) -> str:
    return token(cnf={"x5t#S256": thumbprint(holder.der)}, **changes)


def get(url: str, presented: str, *, headers: dict[str, str] | None = None, **options: Any) -> requests.Response:
    sent = {"Authorization": f"Bearer {presented}", **(headers or {})}
    return requests.get(f"{url}/payments", headers=sent, timeout=30, **options)


def field(certificate: Certified) -> dict[str, str]:
    """RFC 9440 §2.1."""
    return {"Client-Cert": f":{base64.b64encode(certificate.der).decode()}:"}


def refused(response: requests.Response) -> bool:
    challenge = response.headers.get("WWW-Authenticate", "")
    return response.status_code == 401 and 'error="invalid_token"' in challenge and "client certificate" in challenge


def test_the_certificate_of_the_connection(
    tls_url: str, authority: Certified, holder: Certified, other: Certified
) -> None:
    trust: dict[str, Any] = {"verify": str(authority.cert_file)}
    assert get(tls_url, bound(holder), cert=holder.files, **trust).json() == {"owner": "person-1"}
    assert refused(get(tls_url, bound(holder), cert=other.files, **trust))
    assert refused(get(tls_url, bound(holder), **trust))
    assert get(tls_url, token(), cert=other.files, **trust).status_code == 200


def test_a_header_from_nobody_we_know_is_not_read(tls_url: str, authority: Certified, holder: Certified) -> None:
    assert refused(get(tls_url, bound(holder), headers=field(holder), verify=str(authority.cert_file)))
    elsewhere = CertificateHeader(("192.0.2.0/24",))
    with wsgi(flask_app(guard(certificates=elsewhere))) as url:
        assert refused(get(url, bound(holder), headers=field(holder)))


def test_the_certificate_a_proxy_tells_of(proxied: str, holder: Certified, other: Certified) -> None:
    assert get(proxied, bound(holder), headers=field(holder)).json() == {"owner": "person-1"}
    assert refused(get(proxied, bound(holder), headers=field(other)))
    assert refused(get(proxied, bound(holder)))


def test_the_certificate_as_nginx_writes_it(holder: Certified, other: Certified) -> None:
    header = CertificateHeader(PROXY, name="X-Client-Cert")
    with wsgi(flask_app(guard(certificates=header))) as url:
        written = quote(holder.pem, safe="")
        assert get(url, bound(holder), headers={"X-Client-Cert": written}).status_code == 200
        assert refused(get(url, bound(holder), headers={"X-Client-Cert": quote(other.pem, safe="")}))
        assert refused(get(url, bound(holder), headers={"Client-Cert": written}))


@pytest.mark.parametrize(
    "value",
    ["", ":", "::", ":AAAA", "AAAA", ":A:", ":*:", ":AAAA:, :AAAA:", ":AAAA:;x=1", "-----BEGIN", ":" + "A" * 20_000],
)
def test_a_header_that_is_no_certificate_is_none(proxied: str, holder: Certified, value: str) -> None:
    assert refused(get(proxied, bound(holder), headers={"Client-Cert": value}))
    assert get(proxied, token(), headers={"Client-Cert": value}).status_code == 200


def test_both_a_key_and_a_certificate_may_be_needed(proxied: str, holder: Certified) -> None:
    both = token(cnf={"x5t#S256": thumbprint(holder.der), "jkt": HOLDER.thumbprint()})
    dpop = {"Authorization": f"DPoP {both}"}
    assert get(proxied, both, headers={**dpop, **field(holder), "DPoP": proof(both)}).status_code == 200
    assert get(proxied, both, headers={**dpop, **field(holder)}).status_code == 401
    assert refused(get(proxied, both, headers={**dpop, "DPoP": proof(both)}))


def test_a_certificate_binds_as_well_as_a_key(holder: Certified) -> None:
    presented = Presented(authorization=(f"Bearer {bound(holder)}",), certificate=thumbprint(holder.der))
    assert guard().admit(presented, Needs(bound=True)).principal.is_bound


def test_a_proxy_has_an_address() -> None:
    for peers in ((), ("example.com",), ("127.0.0.1/99",)):
        with pytest.raises(ValueError):
            CertificateHeader(peers)
    header = CertificateHeader(PROXY)
    assert [header.trusts(peer) for peer in ("10.1.2.3", "::ffff:127.0.0.1", "192.0.2.1", "", None, "unix")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_pem_of_several_certificates_counts_by_its_first(holder: Certified, other: Certified) -> None:
    assert pem_thumbprint(holder.pem + other.pem) == thumbprint(holder.der)
    assert pem_thumbprint("no certificate") is None
