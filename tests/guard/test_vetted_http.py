"""The client for addresses that somebody else names: where it may go, and for how long and how much."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vetted_http import Client
from vetted_http.addresses import is_allowed
from vetted_http.client import FetchError

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers as told and remembers what it was sent."""

    def __init__(self) -> None:
        self.behave: Behaviour = lambda handler: self.send(handler, 200, b"hello")
        self.seen: list[tuple[str, str, str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.command, self.path, self.headers["Host"], body))
                outer.behave(self)

            do_POST = do_GET

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @staticmethod
    def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def client(**changes: Any) -> Client:
    return Client(**{"allow": LOOPBACK, "timeout": 2.0, **changes})


def kind(work: Callable[[], object]) -> str:
    with pytest.raises(FetchError) as caught:
        work()
    return caught.value.kind


def test_it_fetches_and_posts(server: Server) -> None:
    answer = client().get(server.url + "/x?y=1", {"Accept": "text/plain"})
    assert (answer.status, answer.body) == (200, b"hello")
    assert client().post(server.url + "/z", b"body").status == 200
    assert [(one[0], one[1], one[3]) for one in server.seen] == [("GET", "/x?y=1", b""), ("POST", "/z", b"body")]


def test_the_name_goes_to_the_server_and_the_connection_to_the_vetted_address(server: Server) -> None:
    port = server.server.server_port
    allowed = [*LOOPBACK, ipaddress.ip_network("::1/128")]
    try:
        client(allow=allowed).get(f"http://localhost:{port}/")
    except FetchError:
        pytest.skip("localhost is not 127.0.0.1 first")
    assert server.seen[0][2] == f"localhost:{port}"


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *(
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1", "192.0.2.1", "198.18.0.1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_special_addresses_are_not_reached(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address), [])


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), [])


def test_a_network_can_be_let_through() -> None:
    assert is_allowed(ipaddress.ip_address("127.0.0.1"), LOOPBACK)
    assert is_allowed(ipaddress.ip_address("::ffff:127.0.0.1"), LOOPBACK)
    assert not is_allowed(ipaddress.ip_address("10.0.0.1"), LOOPBACK)


def test_without_permission_loopback_is_not_even_connected_to(server: Server) -> None:
    for url in (
        server.url,
        server.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
        server.url.replace("127.0.0.1", "2130706433"),
    ):
        assert kind(lambda url=url: Client().get(url)) in {"address", "url", "connect"}
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "//127.0.0.1",
        "http://a@127.0.0.1/",
        "http://[::1",
        "http://127.0.0.1:0/",
    ],
)
def test_only_plain_web_addresses_are_tried(url: str) -> None:
    assert kind(lambda: client().get(url)) == "url"


def test_redirects_are_not_followed(server: Server) -> None:
    server.behave = lambda handler: server.send(handler, 302, Location=f"{server.url}/elsewhere")
    assert kind(lambda: client().get(server.url)) == "redirect"
    assert len(server.seen) == 1


def test_a_large_answer_is_cut_off(server: Server) -> None:
    server.behave = lambda handler: server.send(handler, 200, b"x" * 5000)
    assert kind(lambda: client(max_bytes=4999).get(server.url)) == "size"
    assert len(client(max_bytes=5000).get(server.url).body) == 5000


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def stall(handler: BaseHTTPRequestHandler) -> None:
    threading.Event().wait(3)
    handler.close_connection = True


def truncate(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


def test_half_an_answer_is_none(server: Server) -> None:
    server.behave = truncate
    assert kind(lambda: client().get(server.url)) == "connect"


@pytest.mark.parametrize("behaviour", [drip, stall], ids=["drips", "stalls"])
def test_a_slow_answer_is_given_up_in_time(server: Server, behaviour: Behaviour) -> None:
    server.behave = behaviour
    began = time.monotonic()
    assert kind(lambda: client(timeout=0.5).get(server.url)) == "time"
    assert time.monotonic() - began < 5


def test_a_server_that_is_not_there_is_a_failed_connection() -> None:
    assert kind(lambda: client().get("http://127.0.0.1:9/")) == "connect"
    assert kind(lambda: client().get("https://no-such-name.invalid/")) == "connect"
