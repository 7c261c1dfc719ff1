"""nginx as `deploy/nginx` configures it, and what stands in for it: what reaches a node of what a client sends; certificates by their own door."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import yaml

from cluster.balancer import TEMPLATES, Balancer, fill, nginx
from cluster.round_robin import RoundRobin
from resource_server.app import build
from resource_server.settings import SERVICES, load
from tests.conftest import API
from tests.senders.authority import LOCALHOST, Certified, certify
from tests.support.flows import claims
from tests.support.ports import free_port
from tests.support.running import RunningIdp

SERVER = certify("CN=127.0.0.1", authority=True, alternatives=LOCALHOST)
MINE = certify("CN=app")
FORGED = "-----BEGIN%20CERTIFICATE-----"


@pytest.fixture(scope="module", autouse=True)
def _present() -> None:
    try:
        nginx()
    except RuntimeError as error:
        pytest.skip(str(error))


BALANCERS = (Balancer, RoundRobin)
Echoed = tuple[Balancer | RoundRobin, str, str, dict[str, str]]


class _Echo(BaseHTTPRequestHandler):
    """A node that tells who it is and what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"node": self.server.server_port, "headers": list(self.headers.items())}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@contextmanager
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module", params=BALANCERS, ids=lambda balance: balance.__name__)
def echoed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echoed]:
    """A balancer, its two URLs, and which node stands for which service."""
    listen = {"IDP": free_port(), "API": free_port()}
    with echo() as idp, echo() as users, echo() as orders, echo() as payments:
        nodes = {"idp": idp, "users": users, "orders": orders, "payments": payments}
        balancer = request.param(
            tmp_path_factory.mktemp("balancer"),
            listen=listen,
            servers={name: [address] for name, address in nodes.items()},
        )
        balancer.start()
        try:
            yield balancer, f"http://127.0.0.1:{listen['IDP']}", f"http://127.0.0.1:{listen['API']}", nodes
        finally:
            balancer.stop()


def seen(url: str, **headers: str) -> dict[str, str]:
    return {name.lower(): value for name, value in requests.get(url, headers=headers, timeout=30).json()["headers"]}


def test_a_certificate_that_a_client_writes_itself_is_dropped(
    echoed: Echoed,
) -> None:
    for url in echoed[1:3]:
        assert "client-cert" not in seen(url, **{"Client-Cert": FORGED, "client-cert": FORGED})


def test_a_deadline_from_outside_is_dropped(echoed: Echoed) -> None:
    for url in echoed[1:3]:
        assert "request-timeout" not in seen(url, **{"Request-Timeout": "0.001"})


def test_headers_with_underscores_are_dropped(echoed: Echoed) -> None:
    """What reads them as their twins with hyphens, as WSGI does, must not see them."""
    forged = {"Client_Cert": FORGED, "X_Forwarded_For": "203.0.113.9", "X_Request_Id": "mine"}
    for url in echoed[1:3]:
        found = seen(url, **forged)
        assert not [name for name in found if "_" in name]
        assert found["x-forwarded-for"] == "127.0.0.1"
        assert re.fullmatch(r"[0-9a-f]{32}", found["x-request-id"])


def test_the_address_of_the_client_stands_last_whatever_it_claims(
    echoed: Echoed,
) -> None:
    assert seen(echoed[1], **{"X-Forwarded-For": "203.0.113.9"})["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"


def test_each_path_reaches_its_service(echoed: Echoed) -> None:
    _balancer, _idp, api, nodes = echoed
    expected = {
        "/v2/users/me": "users",
        "/events": "users",
        "/events/users": "users",
        "/events/orders": "orders",
        "/events/payments": "payments",
        "/v1/orders": "orders",
        "/v2/orders/ord_1/checkouts": "orders",
        "/v1/payments": "payments",
        "/v2/operations/op_1": "payments",
        "/v2/operations/oop_1": "orders",
        "/v2/payment-events": "orders",
        "/v2/order-events": "payments",
        "/v2/payments/pay_1/reversals": "payments",
        "/openapi/v2.json": "users",
        "/openapi/orders/v2.json": "orders",
        "/openapi/payments/v1.json": "payments",
        "/v2/webhook-endpoints": "payments",
        "/v2/events/evt_1/redeliveries": "payments",
        "/provider-callbacks": "payments",
        "/.well-known/oauth-protected-resource/orders": "orders",
    }
    found = {path: requests.get(f"{api}{path}", timeout=30).json()["node"] for path in expected}
    assert {path: f"127.0.0.1:{node}" for path, node in found.items()} == {
        path: nodes[name] for path, name in expected.items()
    }


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_of_a_service_reaches_it(service: str, tmp_path: Path) -> None:
    settings = load({"RS_SERVICE": service, "RS_DATA_DIR": str(tmp_path), "RS_SECRET": "x" * 32})
    template = (TEMPLATES / "site.conf.template").read_text("utf-8")
    rules = re.findall(r"location ~ (\S+) \{\s+proxy_pass http://(\w+);", template)
    process = build(settings)
    for operation in process.operations():
        path = re.sub(r"<prefixed\((\w+)\):\w+>", r"\1_1", operation.path)
        first = next((name for pattern, name in rules if re.search(pattern, path)), "users")
        assert first == service, operation.name
    process.close()


def test_queries_are_not_logged(echoed: Echoed) -> None:
    balancer, idp, _api, _nodes = echoed
    answer = requests.get(f"{idp}/callback?code=a-secret-code", timeout=30)
    identifier = dict(answer.json()["headers"])["X-Request-Id"]
    deadline = time.monotonic() + 30
    while f" {identifier} " not in (log := balancer.log.read_text("utf-8")):
        assert time.monotonic() < deadline, "never logged"
        time.sleep(0.01)
    assert "/callback" in log
    assert "a-secret-code" not in log


def test_the_compose_file_fills_every_word_of_the_template(tmp_path: Path) -> None:
    """nginx itself reads the result, with this machine in place of the other containers."""
    compose = yaml.safe_load((TEMPLATES.parent / "compose.yaml").read_text("utf-8"))
    certificate, key = SERVER.files(tmp_path)
    given = compose["services"]["nginx"]["environment"]
    words = {name: re.sub(r"server [a-z]+-\d:", "server 127.0.0.1:", value) for name, value in given.items()}
    words = {
        name: value.replace("/run/tls/tls.crt", certificate).replace("/run/tls/tls.key", key)
        for name, value in words.items()
    }
    words["LOG"] = str(tmp_path / "access.log")
    if Balancer(
        tmp_path, listen={}, servers={}
    ).closes_kept:  # an older nginx than that of the image does not know the word
        assert re.fullmatch(r"keepalive_min_timeout \d+s;", words["KEEPALIVE_MIN"])
        words["KEEPALIVE_MIN"] = ""
    (tmp_path / "headers.conf").write_text((TEMPLATES / "headers.conf").read_text("utf-8"))
    (tmp_path / "site.conf").write_text(fill((TEMPLATES / "site.conf.template").read_text("utf-8"), words))
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{ include site.conf; }}\n")
    command = [nginx(), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(compose["services"]["nginx"]["depends_on"]) == set(re.findall(r"idp-\d", given["IDP_SERVERS"]))


@contextmanager
def behind_tls(folder: Path) -> Iterator[tuple[RunningIdp, str]]:
    """A provider behind nginx that asks for certificates at a second origin."""
    certificate, key = SERVER.files(folder)
    (folder / "server.pem").write_bytes(SERVER.pem)
    listen = {"IDP": free_port(), "API": free_port(), "MTLS": free_port()}
    node = free_port()
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    more = {
        "IDP_LISTEN": f"127.0.0.1:{listen['IDP']} ssl",
        "IDP_TLS": tls,
        "MTLS_LISTEN": f"127.0.0.1:{listen['MTLS']} ssl",
        "MTLS_TLS": tls,
    }
    balancer = Balancer(
        folder / "nginx", listen=listen, servers={"idp": [f"127.0.0.1:{node}"]}, more=more, sites=("site", "mtls")
    )
    mtls = f"https://127.0.0.1:{listen['MTLS']}"
    settings = {"trusted_proxies": "127.0.0.1/32", "client_cert_header": "Client-Cert", "mtls_url": mtls}
    idp = RunningIdp(folder / "idp", issuer=f"https://127.0.0.1:{listen['IDP']}", **settings)
    idp.url = idp.issuer
    with idp.cluster():
        idp.cli("init")
        idp.node(node)
        balancer.start()
        try:
            yield idp, mtls
        finally:
            balancer.stop()


def test_a_certificate_shown_in_the_handshake_binds_a_token(tmp_path: Path) -> None:
    with behind_tls(tmp_path) as (idp, mtls):
        idp.cli("resource", "create", API, "--scope", "read=Read things")
        client = idp.client(
            grant_types=["client_credentials"],
            audience=[API],
            token_endpoint_auth_method="self_signed_tls_client_auth",
            tls_client_certificate_bound_access_tokens=True,
            jwks={"keys": [MINE.jwk()]},
        )

        def ask(base: str, certified: Certified | None, **headers: str) -> requests.Response:
            form = {"grant_type": "client_credentials", "client_id": client["client_id"]}
            with requests.Session() as http:
                http.trust_env, http.verify = False, str(tmp_path / "server.pem")
                http.cert = certified.files(tmp_path) if certified else None
                return http.post(f"{base}/oauth/token", data=form, headers=headers, timeout=30)

        given = ask(mtls, MINE)
        assert given.status_code == 200, given.text
        assert claims(given.json()["access_token"])["cnf"] == {"x5t#S256": MINE.thumbprint}
        assert ask(mtls, None).status_code == 401
        assert ask(mtls, certify("CN=app")).status_code == 401, "another key under the same name"
        written = {"Client-Cert": MINE.escaped, "Client_Cert": MINE.escaped}
        assert ask(mtls, None, **written).status_code == 401
        assert ask(idp.url, MINE, **written).status_code == 401, "the first origin asks for none and passes none on"


@pytest.mark.parametrize("balance", BALANCERS, ids=lambda balance: balance.__name__)
def test_a_node_that_is_taken_out_gets_nothing_and_comes_back(
    balance: type[Balancer] | type[RoundRobin], tmp_path: Path
) -> None:
    listen = {"IDP": free_port(), "API": free_port()}

    def nodes_asked() -> set[int]:
        url = f"http://127.0.0.1:{listen['IDP']}/"
        return {requests.get(url, timeout=30).json()["node"] for _ in range(12)}

    with echo() as one, echo() as two:
        both = {int(one.rpartition(":")[2]), int(two.rpartition(":")[2])}
        balancer = balance(tmp_path / "balancer", listen=listen, servers={"idp": [one, two]})
        balancer.start()
        try:
            assert nodes_asked() == both
            balancer.take_out(one)
            assert nodes_asked() == {int(two.rpartition(":")[2])}
            balancer.put_in(one)
            assert nodes_asked() == both
        finally:
            balancer.stop()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", listen["IDP"]), timeout=5):
        pass


def test_words_that_are_missing_are_told() -> None:
    template = "listen ${IDP_LISTEN}; $host"
    assert fill(template, {"IDP_LISTEN": "1"}) == "listen 1; $host"
    with pytest.raises(KeyError):
        fill(template, {})
