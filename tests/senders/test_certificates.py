"""Client certificates: how a header is read, which chains hold, and whom a certificate names (RFC 9440, RFC 8705, RFC 5280)."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.errors import Refused
from idp.oauth.certificates import SUBJECTS, Authorities, distinguished_name, names, parsed
from idp.platform.client_certificates import CertificateGate, read_header
from idp.platform.http import ClientCertificate
from tests.senders.authority import Certified, certify
from tests.support.clocks import ManualClock

RFC_HEADER = (
    ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBD"
    "QTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/I"
    "ncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYC"
    "uiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BA"
    "MCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:"
)
"""RFC 9440 Appendix A."""
ROOT = certify("CN=Root", authority=True)
MIDDLE = certify("CN=Middle", by=ROOT, authority=True)
LEAF = certify("CN=app,O=Company,C=DE", by=ROOT)

ALTERNATIVES = certify(
    "CN=dns.test",
    by=ROOT,
    alternatives=[
        x509.DNSName("App.example.com"),
        x509.UniformResourceIdentifier("spiffe://example.com/app"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("app@example.com"),
    ],
)


def key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(signs, False, True, False, False, False, False, False, False)


@pytest.fixture
def authorities(tmp_path: Path, clock: ManualClock) -> Authorities:
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.pem)
    return Authorities.read(path, clock)


def test_the_specifications_own_header_is_read() -> None:
    der = read_header(RFC_HEADER)
    assert der is not None
    certificate = parsed(ClientCertificate(der, verified=False))
    assert certificate is not None
    assert names(certificate, "tls_client_auth_subject_dn", "CN=BC")
    assert names(certificate, "tls_client_auth_san_email", "bdc@example.com")


def test_both_forms_of_a_header_are_read() -> None:
    assert read_header(LEAF.header) == read_header(LEAF.escaped) == LEAF.der


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "::", ":a:", ":%:", "AAAA"),
        pytest.param(LEAF.header[1:], id="no begin"),
        pytest.param(LEAF.header[:-1], id="no end"),
        pytest.param(f"{LEAF.header}, {LEAF.header}", id="two"),
        pytest.param(LEAF.escaped * 2, id="two in PEM"),
        pytest.param(LEAF.escaped[:-4], id="no end in PEM"),
        pytest.param(LEAF.pem.decode()[:60], id="half of one"),
        pytest.param(LEAF.escaped.replace("CERTIFICATE", "PRIVATE%20KEY"), id="a key"),
    ],
)
def test_what_is_no_certificate_is_not_read(text: str) -> None:
    assert read_header(text) is None


@settings(max_examples=200)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: f":{raw.hex()}:"))
def test_nothing_in_a_header_breaks_anything(text: str) -> None:
    der = read_header(text)
    assert der is None or parsed(ClientCertificate(der, verified=False)) is None


@pytest.mark.parametrize("peer", ["198.51.100.7", "::1", "", "proxy"])
def test_nobody_but_a_trusted_proxy_hands_over_a_certificate(peer: str) -> None:
    seen = {}

    def application(environ: dict[str, object], _start: object) -> list[bytes]:
        seen.update(environ)
        return []

    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    gate = CertificateGate(application, header="Client-Cert", trusted=networks)
    for address, expected in ((peer, None), ("10.1.2.3", ClientCertificate(LEAF.der, verified=False))):
        gate({"REMOTE_ADDR": address, "HTTP_CLIENT_CERT": LEAF.header}, None)
        assert seen["idp.client_certificate"] == expected
        gate({"REMOTE_ADDR": address, "idp.client_certificate": "forged"}, None)
        assert seen["idp.client_certificate"] is None


def test_a_chain_leads_to_an_authority(authorities: Authorities) -> None:
    assert authorities.vouch_for(LEAF.certificate)
    assert authorities.vouch_for(certify("CN=rsa", by=ROOT, key=rsa.generate_private_key(65537, 2048)).certificate)
    for usage in (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), key_usage(signs=True)):
        assert authorities.vouch_for(certify("CN=app", by=ROOT, extensions=[usage]).certificate)


@pytest.mark.parametrize(
    "certified",
    [
        certify("CN=app"),
        certify("CN=app", by=certify("CN=Root", authority=True)),
        certify("CN=app", by=LEAF),
        certify("CN=app", by=MIDDLE),
        certify("CN=app", by=ROOT, hours=(-2, -1)),
        certify("CN=app", by=ROOT, hours=(1, 2)),
        certify("CN=app", by=ROOT, key=rsa.generate_private_key(65537, 1024)),
        certify("CN=app", by=ROOT, extensions=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]),
        certify("CN=app", by=ROOT, extensions=[key_usage(signs=False)]),
    ],
    ids=[
        "own",
        "namesake",
        "by a client",
        "by an unknown one",
        "over",
        "not yet",
        "weak",
        "for servers",
        "no signatures",
    ],
)
def test_other_chains_do_not_hold(authorities: Authorities, certified: Certified) -> None:
    assert not authorities.vouch_for(certified.certificate)


@pytest.mark.filterwarnings("ignore:Parsed a serial", "ignore:Attribute's length")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(ALTERNATIVES.certificate.tbs_certificate_bytes)), st.integers(0, 255))
def test_a_certificate_with_another_byte_breaks_nothing_and_proves_nothing(
    authorities: Authorities, place: int, byte: int
) -> None:
    der = bytearray(ALTERNATIVES.der)
    der[place] = byte
    changed = parsed(ClientCertificate(bytes(der), verified=False))
    if changed is not None and bytes(der) != ALTERNATIVES.der:
        assert not authorities.vouch_for(changed)
        for member in SUBJECTS:
            names(changed, member, "::1" if member.endswith("_ip") else "CN=app")


def test_intermediate_authorities_may_be_named_too(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.pem + MIDDLE.pem)
    assert Authorities.read(path, clock).vouch_for(certify("CN=app", by=MIDDLE).certificate)


def test_a_certificate_ends_with_its_time(authorities: Authorities, clock: ManualClock) -> None:
    clock.advance(7200)
    assert not authorities.vouch_for(LEAF.certificate)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_authorities_is_refused(tmp_path: Path, clock: ManualClock, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused):
        Authorities.read(path, clock)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("CN=app,O=Company,C=DE", True),
        ("2.5.4.3=app,O=Company,C=DE", True),
        ("CN=App,O=Company,C=DE", False),
        ("C=DE,O=Company,CN=app", False),
        ("CN=app,O=Company", False),
        ("CN=app,O=Company,C=DE,CN=app", False),
        ("CN=app+O=Company,C=DE", False),
    ],
)
def test_a_subject_is_its_distinguished_name(written: str, same: bool) -> None:
    assert names(LEAF.certificate, "tls_client_auth_subject_dn", written) is same


def test_names_of_others_kinds_are_read_too() -> None:
    attributes = [
        (NameOID.EMAIL_ADDRESS, "a@b.test"),
        (NameOID.SERIAL_NUMBER, "7"),
        (NameOID.ORGANIZATION_IDENTIFIER, "PSD-1"),
    ]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    text = "organizationIdentifier=PSD-1,serialNumber=7,emailAddress=a@b.test"
    assert distinguished_name(text) == subject
    assert names(certify(subject).certificate, "tls_client_auth_subject_dn", text)


@pytest.mark.parametrize("text", ["", "app", "CN", "=app", "CN=app,", "XX=app", "CN=app, O=Company"])
def test_other_texts_are_no_names(text: str) -> None:
    assert distinguished_name(text) is None


@pytest.mark.parametrize(
    ("kind", "wanted", "same"),
    [
        ("dns", "app.EXAMPLE.com", True),
        ("dns", "other.example.com", False),
        ("dns", "dns.test", False),
        ("dns", "spiffe://example.com/app", False),
        ("uri", "spiffe://example.com/app", True),
        ("uri", "spiffe://example.com/App", False),
        ("uri", "App.example.com", False),
        ("ip", "2001:0db8:0:0::1", True),
        ("ip", "2001:db8::2", False),
        ("email", "app@example.com", True),
        ("email", "app@example.org", False),
    ],
)
def test_an_alternative_name_is_one_of_its_kind(kind: str, wanted: str, same: bool) -> None:
    assert names(ALTERNATIVES.certificate, f"tls_client_auth_san_{kind}", wanted) is same
    assert not names(LEAF.certificate, f"tls_client_auth_san_{kind}", wanted)


def test_a_key_of_another_kind_is_no_harm(authorities: Authorities) -> None:
    assert authorities.vouch_for(certify("CN=ed", by=ROOT, key=ed25519.Ed25519PrivateKey.generate()).certificate)
