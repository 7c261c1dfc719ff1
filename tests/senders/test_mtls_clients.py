"""Clients that prove themselves by certificates behind a proxy, and tokens bound to certificates (RFC 8705)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509

from tests.conftest import API
from tests.senders.authority import Certified, certify
from tests.senders.conftest import CALLBACK
from tests.senders.holder import BoundApp
from tests.support import databases
from tests.support.flows import App, Browser, claims
from tests.support.published import Site
from tests.support.running import RunningIdp

MTLS = "https://mtls.idp.test"
ROOT = certify("CN=Root", authority=True)
MINE = certify("CN=app,O=Company", by=ROOT, alternatives=[x509.DNSName("app.example.com")])
OTHERS = certify("CN=other,O=Company", by=ROOT, alternatives=[x509.DNSName("other.example.com")])
METHODS = {"tls_client_auth", "self_signed_tls_client_auth"}
SUBJECT = {"tls_client_auth": {"tls_client_auth_subject_dn": "CN=app,O=Company"}}
BOUND = "tls_client_certificate_bound_access_tokens"


@pytest.fixture(scope="module", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider that trusts whoever calls it from loopback to be a proxy."""
    folder = tmp_path_factory.mktemp("proxied")
    (folder / "ca.pem").write_bytes(ROOT.pem)
    settings = {
        "trusted_proxies": "127.0.0.0/8",
        "client_cert_header": "Client-Cert",
        "tls_client_ca_file": str(folder / "ca.pem"),
        "mtls_url": MTLS,
    }
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        running = stack.enter_context(RunningIdp(folder / "idp", url, **settings))
        running.cli("resource", "create", API, "--scope", "read=Read things")
        yield running


class CertifiedApp(App):
    """A client that comes with a certificate, through the proxy."""

    def __init__(self, idp: RunningIdp, client: dict[str, Any], certified: Certified | None) -> None:
        super().__init__(idp.url, client)
        self.certified = certified

    def post(self, path: str, **data: Any) -> requests.Response:
        certified: Certified | None = data.pop("certified", self.certified)
        given = {"Client-Cert": certified.header} if certified else {}
        return super().post(path, headers={**given, **data.pop("headers", {})}, **{"client_id": self.client_id, **data})

    def token(self, **data: Any) -> requests.Response:
        return self.post("/oauth/token", grant_type="client_credentials", **data)

    def userinfo(self, access_token: str, certified: Certified | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        if certified:
            headers["Client-Cert"] = certified.header
        return requests.get(f"{self.idp}/oauth/userinfo", headers=headers, timeout=30)


Service = Any


@pytest.fixture
def service_of(idp: RunningIdp) -> Service:
    """Registers a service with this metadata."""

    def register(method: str = "tls_client_auth", certified: Certified = MINE, **metadata: Any) -> CertifiedApp:
        client = idp.client(
            grant_types=["client_credentials"], audience=[API], token_endpoint_auth_method=method, **metadata
        )
        return CertifiedApp(idp, client, certified)

    return register


def refused(response: requests.Response) -> bool:
    return (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "subject",
    [{"tls_client_auth_subject_dn": "CN=app,O=Company"}, {"tls_client_auth_san_dns": "app.example.com"}],
)
def test_an_issued_certificate_proves_the_subject_that_is_registered(service_of: Service, subject: Any) -> None:
    app = service_of(**subject)
    assert app.token().status_code == 200
    assert app.token(headers={"Client-Cert": MINE.escaped}).status_code == 200
    assert refused(app.token(certified=OTHERS))
    assert refused(app.token(certified=certify("CN=app,O=Company", alternatives=[x509.DNSName("app.example.com")])))
    assert refused(app.token(certified=None))


@pytest.mark.parametrize(
    "header",
    ["", "x", ":AAAA:", pytest.param(f"{MINE.header}, {MINE.header}", id="two"), "-----BEGIN%20CERTIFICATE-----"],
)
def test_what_is_no_certificate_proves_nothing(service_of: Service, header: str) -> None:
    app = service_of(tls_client_auth_subject_dn="CN=app,O=Company")
    assert refused(app.token(headers={"Client-Cert": header}))


def test_nobody_but_the_proxy_is_believed(idp: RunningIdp, service_of: Service) -> None:
    app = service_of(tls_client_auth_subject_dn="CN=app,O=Company")
    assert app.token().status_code == 200
    elsewhere = idp.node(trusted_proxies="10.0.0.0/8")
    assert refused(app.token(base=elsewhere))


def test_a_certificate_beside_another_proof_is_no_second_proof(idp: RunningIdp) -> None:
    client = idp.client(grant_types=["client_credentials"], audience=[API])
    assert CertifiedApp(idp, client, MINE).token().status_code == 200


def test_a_certificate_proves_no_client_that_has_another_way(idp: RunningIdp) -> None:
    client = idp.client(grant_types=["client_credentials"], audience=[API])
    assert refused(CertifiedApp(idp, client, MINE).token(auth=False))


def test_a_public_client_with_a_certificate_only_names_itself(idp: RunningIdp) -> None:
    client = idp.client(redirect_uris=[CALLBACK], token_endpoint_auth_method="none")
    answer = CertifiedApp(idp, client, MINE).post("/oauth/revoke", token="unknown")
    assert answer.status_code == 200


def test_a_registered_certificate_proves_its_client_without_any_authority(service_of: Service) -> None:
    own, other = certify("CN=own"), certify("CN=own")
    keys = {"jwks": {"keys": [certify("CN=old").jwk(), own.jwk()]}}
    app = service_of("self_signed_tls_client_auth", own, **keys)
    assert app.token().status_code == 200
    assert refused(app.token(certified=other))
    assert refused(app.token(certified=MINE))
    assert refused(app.token(certified=None))
    renewed = certify("CN=own", key=own.key)
    assert refused(app.token(certified=renewed)), "the certificate counts, not its key"


def test_a_registered_certificate_may_be_published(service_of: Service) -> None:
    first, second = certify("CN=own"), certify("CN=own")
    with Site() as site:
        uri = site.publish("/jwks", {"keys": [first.jwk()]})
        app = service_of("self_signed_tls_client_auth", first, jwks_uri=uri)
        assert app.token().status_code == 200
        site.publish("/jwks", {"keys": [second.jwk()]})
        assert app.token(certified=second).status_code == 200
        assert refused(app.token(certified=first))


def test_a_bound_token_names_its_certificate(service_of: Service) -> None:
    app = service_of(tls_client_auth_subject_dn="CN=app,O=Company", introspects=[API], **{BOUND: True})
    document = app.token().json()
    assert document["token_type"] == "Bearer"
    assert claims(document["access_token"])["cnf"] == {"x5t#S256": MINE.thumbprint}
    shown = app.introspect(document["access_token"])
    assert (shown["active"], shown["token_type"], shown["cnf"]) == (True, "Bearer", {"x5t#S256": MINE.thumbprint})


def test_a_client_with_bound_tokens_must_come_with_a_certificate(idp: RunningIdp) -> None:
    client = idp.client(grant_types=["client_credentials"], audience=[API], **{BOUND: True})
    app = CertifiedApp(idp, client, None)
    assert (app.token().status_code, app.token().json()["error"]) == (400, "invalid_request")
    own = certify("CN=whoever")
    bound = claims(app.token(certified=own).json()["access_token"])
    assert bound["cnf"] == {"x5t#S256": own.thumbprint}


def test_a_token_may_be_bound_to_a_certificate_and_a_key(idp: RunningIdp) -> None:
    client = idp.client(grant_types=["client_credentials"], audience=[API], **{BOUND: True})
    app, holder = CertifiedApp(idp, client, MINE), BoundApp(idp.url, client).key
    proof = holder.proof("POST", f"{idp.issuer}/oauth/token")
    document = app.token(headers={"DPoP": proof, "Client-Cert": MINE.header}).json()
    assert document["token_type"] == "DPoP"
    assert claims(document["access_token"])["cnf"] == {"x5t#S256": MINE.thumbprint, "jkt": holder.jkt}
    alias = holder.proof("POST", f"{MTLS}/oauth/token")
    assert app.token(headers={"DPoP": alias, "Client-Cert": MINE.header}).status_code == 200


def test_userinfo_and_refresh_are_for_the_holder_of_the_certificate(idp: RunningIdp, person: str) -> None:
    client = idp.client(
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
        **{BOUND: True},
    )
    app = CertifiedApp(idp, client, MINE)
    answer, verifier = App(idp.url, client).login(Browser(idp.url), person, scope="openid offline_access")
    tokens = app.redeem(answer["code"], verifier).json()
    assert app.userinfo(tokens["access_token"], MINE).status_code == 200
    for certified in (None, OTHERS):
        answer = app.userinfo(tokens["access_token"], certified)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert app.refresh(tokens["refresh_token"], certified=OTHERS).json()["error"] == "invalid_grant"
    assert app.refresh(tokens["refresh_token"], certified=None).json()["error"] == "invalid_request"
    assert claims(app.refresh(tokens["refresh_token"]).json()["access_token"])["cnf"] == {"x5t#S256": MINE.thumbprint}


def test_metadata_tells_of_certificates_where_they_are_set_up(idp: RunningIdp, tmp_path: Path) -> None:
    document = requests.get(f"{idp.url}/.well-known/openid-configuration", timeout=10).json()
    assert set(document["token_endpoint_auth_methods_supported"]) >= METHODS
    assert document[BOUND] is True
    aliases = document["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == f"{MTLS}/oauth/token"
    assert aliases["userinfo_endpoint"] == f"{MTLS}/oauth/userinfo"
    assert "authorization_endpoint" not in aliases
    with RunningIdp(tmp_path / "plain", mtls_url=MTLS) as plain:
        document = requests.get(f"{plain.url}/.well-known/openid-configuration", timeout=10).json()
        assert METHODS.isdisjoint(document["token_endpoint_auth_methods_supported"])
        assert not {BOUND, "mtls_endpoint_aliases"} & document.keys()
        for method in sorted(METHODS):
            given = {"grant_types": ["client_credentials"], "jwks": {"keys": [MINE.jwk()]}, **SUBJECT.get(method, {})}
            with pytest.raises(AssertionError, match="is not offered here"):
                plain.client(token_endpoint_auth_method=method, **given)


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({}, "needs exactly one of"),
        ({"tls_client_auth_san_dns": "a.test", "tls_client_auth_san_uri": "urn:a"}, "needs exactly one of"),
        ({"tls_client_auth_subject_dn": "app"}, "must be a distinguished name"),
        ({"tls_client_auth_subject_dn": ""}, "must be a distinguished name"),
        ({"tls_client_auth_subject_dn": 5}, "must be a distinguished name"),
        ({"tls_client_auth_san_ip": "app"}, "must be an IP address"),
        ({"tls_client_auth_san_ip": 5}, "must be an IP address"),
        ({"tls_client_auth_san_dns": ""}, "must not be empty"),
        ({"tls_client_auth_san_email": ["a"]}, "must be a string"),
        (
            {"token_endpoint_auth_method": "client_secret_basic", "tls_client_auth_san_dns": "a.test"},
            "is for tls_client",
        ),
        ({"token_endpoint_auth_method": "self_signed_tls_client_auth"}, "needs jwks or jwks_uri"),
        ({"tls_client_auth_san_dns": "a.test", BOUND: "yes"}, "must be true or false"),
    ],
)
def test_metadata_that_cannot_be_honoured_is_refused(idp: RunningIdp, metadata: Any, sentence: str) -> None:
    given = {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "tls_client_auth", **metadata}
    with pytest.raises(AssertionError, match=sentence):
        idp.client(**given)


@pytest.mark.parametrize(("own", "status"), [({}, 400), ({"client_cert_header": "Client-Cert"}, 201)])
def test_clients_register_by_themselves_for_what_is_set_up(tmp_path: Path, own: dict[str, str], status: int) -> None:
    given = {"registration": "open", "trusted_proxies": "127.0.0.0/8", **own}
    documents: list[dict[str, Any]] = [
        {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [MINE.jwk()]}},
        {"token_endpoint_auth_method": "none", BOUND: True},
    ]
    with RunningIdp(tmp_path / "idp", **given) as idp:
        for document in documents:
            answer = requests.post(
                f"{idp.url}/oauth/register", json={"redirect_uris": [CALLBACK], **document}, timeout=10
            )
            assert answer.status_code == status, answer.text
            if status == 400:
                assert "not offered here" in answer.json()["error_description"]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"IDP_CLIENT_CERT_HEADER": "Client-Cert"}, "IDP_CLIENT_CERT_HEADER: is read from IDP_TRUSTED_PROXIES only"),
        ({"IDP_CLIENT_CERT_HEADER": "a b", "IDP_TRUSTED_PROXIES": "10.0.0.0/8"}, "IDP_CLIENT_CERT_HEADER"),
        ({"IDP_MTLS_URL": "https://mtls.test/path"}, "IDP_MTLS_URL: must be https://HOST"),
        ({"IDP_MTLS_URL": "http://mtls.test"}, "IDP_MTLS_URL: must be https://HOST"),
        ({"IDP_MTLS_URL": "https://user@mtls.test"}, "IDP_MTLS_URL: must be https://HOST"),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(settings: dict[str, str], fault: str) -> None:
    from idp.settings_source import SettingsError, load

    with pytest.raises(SettingsError) as refused:
        load(settings)
    assert any(fault in found for found in refused.value.faults), refused.value.faults
