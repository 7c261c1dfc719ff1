"""Client certificates at the server itself: the handshake decides which are believed, and the server behaves as the other one does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import API
from tests.senders.authority import LOCALHOST, Certified, certify
from tests.senders.conftest import CALLBACK
from tests.support import databases
from tests.support.flows import Browser, Page, claims, pkce
from tests.support.ports import free_port
from tests.support.running import PASSWORD, RunningIdp

ROOT = certify("CN=Root", authority=True)
SERVER = certify("CN=127.0.0.1", authority=True, alternatives=LOCALHOST)
BOUND = "tls_client_certificate_bound_access_tokens"
DEADLINE = 30


@dataclass(frozen=True)
class Deployment:
    """A provider that ends TLS itself, and the folder of its certificates."""

    idp: RunningIdp
    folder: Path

    def session(self, certified: Certified | None) -> requests.Session:
        """A client's connections."""
        http = requests.Session()
        http.trust_env, http.verify = False, str(self.folder / "server.pem")
        http.cert = certified.files(self.folder) if certified else None
        return http

    def token(self, client: dict[str, Any], certified: Certified | None, **headers: str) -> requests.Response:
        data = {"grant_type": "client_credentials", "client_id": client["client_id"]}
        with self.session(certified) as http:
            return http.post(f"{self.idp.url}/oauth/token", data=data, headers=headers, timeout=DEADLINE)


@contextlib.contextmanager
def deployed(folder: Path, database_url: str | None, **settings: str) -> Iterator[Deployment]:
    certificate, key = SERVER.files(folder)
    (folder / "server.pem").write_bytes(SERVER.pem)
    (folder / "ca.pem").write_bytes(ROOT.pem)
    port = free_port()
    files = {"tls_cert_file": certificate, "tls_key_file": key, "tls_client_ca_file": str(folder / "ca.pem")}
    url = f"https://127.0.0.1:{port}"
    idp = RunningIdp(folder / "idp", database_url, issuer=url, **files, **settings)
    idp.port, idp.url = port, url
    with idp.cluster():
        idp.cli("init")
        idp.node(port, scheme="https", ca=folder / "server.pem", workers=2)
        idp.user("alice")
        idp.cli("resource", "create", API, "--scope", "read=Read things")
        yield Deployment(idp, folder)


@pytest.fixture(scope="module", params=databases.KINDS)
def direct(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        yield stack.enter_context(deployed(tmp_path_factory.mktemp("direct"), url))


@pytest.fixture(scope="module")
def client(direct: Deployment) -> dict[str, Any]:
    return direct.idp.client(
        grant_types=["client_credentials"],
        audience=[API],
        token_endpoint_auth_method="tls_client_auth",
        tls_client_auth_subject_dn="CN=app",
        **{BOUND: True},
    )


def test_a_client_proves_itself_by_its_connection(direct: Deployment, client: dict[str, Any]) -> None:
    mine = certify("CN=app", by=ROOT)
    answer = direct.token(client, mine)
    assert answer.status_code == 200
    assert claims(answer.json()["access_token"])["cnf"] == {"x5t#S256": mine.thumbprint}
    for certified in (certify("CN=other", by=ROOT), None):
        refused = direct.token(client, certified)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_header_says_nothing_here(direct: Deployment, client: dict[str, Any]) -> None:
    mine = certify("CN=app", by=ROOT)
    for name in ("Client-Cert", "Client_Cert", "X-Client-Cert"):
        assert direct.token(client, None, **{name: mine.header}).status_code == 401


@pytest.mark.parametrize(
    "stranger",
    [
        certify("CN=app"),
        certify("CN=app", by=certify("CN=Root", authority=True)),
        certify("CN=app", by=ROOT, hours=(-2, -1)),
    ],
    ids=["its own", "of a namesake", "over"],
)
def test_what_no_authority_of_ours_issued_ends_the_connection(
    direct: Deployment, client: dict[str, Any], stranger: Certified
) -> None:
    with pytest.raises(requests.ConnectionError):
        direct.token(client, stranger)


def test_people_log_in_without_a_certificate_and_userinfo_is_for_the_holder(direct: Deployment) -> None:
    idp, mine = direct.idp, certify("CN=whoever", by=ROOT)
    app = idp.client(redirect_uris=[CALLBACK], token_endpoint_auth_method="none", **{BOUND: True})
    browser, (verifier, challenge) = Browser(idp.url), pkce()
    browser.http.trust_env, browser.http.verify = False, str(direct.folder / "server.pem")
    query = {"client_id": app["client_id"], "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
    asked = requests.Request(
        "GET",
        f"{idp.url}/oauth/authorize",
        params={**query, "code_challenge": challenge, "code_challenge_method": "S256"},
    )
    response = browser.submit(
        Page(browser.open(str(asked.prepare().url))), "login", username="alice", password=PASSWORD
    )
    response = browser.submit(Page(response), "consent", decision="allow")
    code = response.headers["Location"].partition("code=")[2].partition("&")[0]
    redeemed = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "client_id": app["client_id"],
    }
    with direct.session(mine) as http, direct.session(None) as other:
        token = http.post(f"{idp.url}/oauth/token", data=redeemed, timeout=DEADLINE).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert http.get(f"{idp.url}/oauth/userinfo", headers=headers, timeout=DEADLINE).status_code == 200
        assert other.get(f"{idp.url}/oauth/userinfo", headers=headers, timeout=DEADLINE).status_code == 401


def test_metadata_offers_what_works_here(direct: Deployment) -> None:
    with direct.session(None) as http:
        document = http.get(f"{direct.idp.url}/.well-known/openid-configuration", timeout=DEADLINE).json()
    methods = document["token_endpoint_auth_methods_supported"]
    assert "tls_client_auth" in methods
    assert "self_signed_tls_client_auth" not in methods, "a handshake takes no unknown certificate"
    assert document[BOUND] is True
    assert "mtls_endpoint_aliases" not in document


@pytest.mark.parametrize(
    ("version", "ciphers", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_3, None, "TLSv1.3"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256", None),
        (ssl.TLSVersion.TLSv1_1, None, None),
    ],
)
def test_only_strong_tls_is_spoken(
    direct: Deployment, version: ssl.TLSVersion, ciphers: str | None, accepted: str | None
) -> None:
    context = ssl.create_default_context(cafile=str(direct.folder / "server.pem"))
    with pytest.warns(DeprecationWarning) if version < ssl.TLSVersion.TLSv1_2 else contextlib.nullcontext():
        context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", direct.idp.port), timeout=DEADLINE) as plain:
        if accepted is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="127.0.0.1")
        else:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                assert secured.version() == accepted


def test_a_worker_that_dies_is_replaced_the_silent_are_cut_off_and_a_stop_is_clean(tmp_path: Path) -> None:
    with deployed(tmp_path, None) as direct:
        node = direct.idp.nodes[0]
        if sys.platform == "linux":
            victim = workers(node.process.pid).pop()
            os.kill(victim, signal.SIGKILL)
            assert workers(node.process.pid, gone=victim)
        with half_a_request(direct) as silent, contextlib.suppress(ConnectionError, ssl.SSLError):
            while silent.recv(4096):
                pass  # an answer or none: what counts is the end
        with direct.session(None) as http:
            assert http.get(f"{direct.idp.url}/readyz", timeout=DEADLINE).status_code == 200
        assert node.stop() == 0
        lines = [json.loads(line) for line in node.log.read_text().splitlines()]
    assert any(line.get("path") == "/readyz" for line in lines), "JSON lines and nothing else"


@contextlib.contextmanager
def half_a_request(direct: Deployment) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(direct.folder / "server.pem"))
    with (
        socket.create_connection(("127.0.0.1", direct.idp.port), timeout=DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\n")
        yield secured


def workers(pid: int, gone: int | None = None) -> set[int]:
    """The two workers of a server, once both run and none is the one that is gone."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = {int(child) for child in children.read_text().split()}
        if len(found) == 2 and gone not in found:
            return found
        time.sleep(0.05)
    raise AssertionError("there are not two workers")


def test_the_start_says_what_is_wrong_with_the_files(tmp_path: Path) -> None:
    certificate, key = SERVER.files(tmp_path)
    for content, word in ((None, "cannot be read"), ("", "cannot be used")):
        authorities = tmp_path / "ca.pem"
        if content is not None:
            authorities.write_text(content)
        files = {"tls_cert_file": certificate, "tls_key_file": key, "tls_client_ca_file": str(authorities)}
        idp = RunningIdp(tmp_path / "idp", issuer="https://127.0.0.1:1", **files)
        done = idp.run("serve", "--port", str(free_port()))
        assert done.returncode == 1
        assert word in done.stderr
        assert "Traceback" not in done.stderr
