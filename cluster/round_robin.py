"""A balancer for machines without nginx: round robin, health checks, another try where nothing was begun.

Which service a path belongs to is read from nginx's own configuration in `deploy/nginx`; headers, log and retries are as there. It holds every
answer whole before it passes it on, and is meant for laptops.
"""

from __future__ import annotations

import http.client
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cluster.balancer import GROUPS, TEMPLATES

_RULES = re.compile(r"location ~ (\S+) \{\s+proxy_pass http://(\w+);")
_CONNECT, _READ, _PROBE, _EVERY, _TRIES = 2.0, 30.0, 2.0, 0.3, 3
_MOST_BODY = 1024 * 1024
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})
_OURS = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-request-id", "request-timeout", "client-cert"})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_GONE = (OSError, http.client.HTTPException)
_Fields = list[tuple[str, str]]


class Unsent(OSError):
    """No connection: any method may be tried at another node."""


class RoundRobin:
    """`listen` says where it answers, by `IDP` and `API`; `servers` which addresses stand in each group."""

    closes_kept = False

    def __init__(self, folder: Path, *, listen: Mapping[str, int], servers: Mapping[str, Iterable[str]]) -> None:
        self.log = folder / "access.log"
        self._listen = listen
        self._nodes = {group: list(servers.get(group, ())) for group in GROUPS}
        self._ill, self._out, self._busy = set[str](), set[str](), Counter[str]()
        self._turn = 0
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._rules = _RULES.findall((TEMPLATES / "site.conf.template").read_text("utf-8"))
        self._servers: list[ThreadingHTTPServer] = []

    def start(self) -> None:
        """Listen, and look after the nodes."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        for site, port in self._listen.items():
            handler = type("Handler", (_Handler,), {"balancer": self, "site": site})
            self._servers.append(_Server(("127.0.0.1", port), handler))
        for work in (self._probe, *(server.serve_forever for server in self._servers)):
            threading.Thread(target=work, daemon=True).start()

    def take_out(self, address: str) -> None:
        """No request reaches this node any more, once this returns; those on their way have been answered."""
        with self._changed:
            self._out.add(address)
            self._changed.wait_for(lambda: self._busy[address] == 0, timeout=_READ)

    def put_in(self, address: str) -> None:
        """The node gets its share again."""
        with self._changed:
            self._out.discard(address)
            self._ill.discard(address)

    def stop(self) -> None:
        """Take no more requests."""
        self._ended.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def turns(self, site: str, path: str) -> Iterator[str]:
        """Nodes to try, one after the other; those that are ill only where there is no other."""
        group = "idp" if site == "IDP" else self._service(path)
        for _ in range(_TRIES):
            with self._changed:
                nodes = [node for node in self._nodes[group] if node not in self._out]
                nodes = [node for node in nodes if node not in self._ill] or nodes
                if not nodes:
                    return
                self._turn += 1
                node = nodes[self._turn % len(nodes)]
                self._busy[node] += 1
            try:
                yield node
            finally:
                with self._changed:
                    self._busy[node] -= 1
                    self._changed.notify_all()

    def found_ill(self, node: str) -> None:
        """It is passed over until it says that it is ready."""
        self._ill.add(node)

    def _service(self, path: str) -> str:
        return next((group for pattern, group in self._rules if re.search(pattern, path)), "users")

    def _probe(self) -> None:
        while not self._ended.wait(_EVERY):
            for node in set(chain.from_iterable(self._nodes.values())):
                (self._ill.discard if _is_ready(node) else self._ill.add)(node)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60
    balancer: RoundRobin
    site: str

    def _pass_on(self) -> None:
        started, identifier, node = time.monotonic(), secrets.token_hex(16), "-"
        path, length = unquote(urlsplit(self.path).path), self.headers.get("Content-Length") or "0"
        status, reason, fields, content = 413, "Content Too Large", _Fields(), b""
        if "Transfer-Encoding" not in self.headers and length.isdigit() and int(length) <= _MOST_BODY:
            status, reason, body = 502, "Bad Gateway", self.rfile.read(int(length))
            for node in self.balancer.turns(self.site, path):
                try:
                    status, reason, fields, content = self._asked(node, self._fields(identifier), body)
                    break
                except _GONE as error:
                    self.balancer.found_ill(node)
                    if not isinstance(error, Unsent) and self.command not in _REPEATABLE:
                        break  # it may have begun: nobody else does it too
        else:
            self.close_connection = True
        self._answer(status, reason, fields, content)
        with self.balancer.log.open("a", encoding="utf-8") as log:  # without the query
            log.write(
                f"{datetime.now().astimezone().isoformat('T', 'seconds')} {self.client_address[0]} "
                f'"{self.command} {path}" {status} {time.monotonic() - started:.3f} {identifier} {node}\n'
            )

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass_on

    def _asked(self, node: str, fields: _Fields, body: bytes) -> tuple[int, str, _Fields, bytes]:
        """One try; raises what `_GONE` names, `Unsent` where the node had nothing of it."""
        connection = http.client.HTTPConnection(node, timeout=_CONNECT)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise Unsent from error
            connection.sock.settimeout(_READ)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in fields:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.reason, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _fields(self, identifier: str) -> _Fields:
        """As `headers.conf` has them; names with underscores pass for none of the headers they look like."""
        kept = [(n, v) for n, v in self.headers.items() if n.lower() not in _HOP | _OURS and "_" not in n]
        hops = ", ".join([*self.headers.get_all("X-Forwarded-For", []), self.client_address[0]])
        return [*kept, ("X-Forwarded-For", hops), ("X-Forwarded-Proto", "http"), ("X-Request-Id", identifier)]

    def _answer(self, status: int, reason: str, fields: _Fields, content: bytes) -> None:
        self.send_response_only(status, reason)
        unsent = self.command == "HEAD" or status in {204, 304}  # the length of what is not sent is the node's to say
        for name, value in fields:
            if name.lower() not in _HOP and (unsent or name.lower() != "content-length"):
                self.send_header(name, value)
        if not unsent:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Each request is a line of our own."""


def _is_ready(node: str) -> bool:
    connection = http.client.HTTPConnection(node, timeout=_PROBE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except _GONE:
        return False
    finally:
        connection.close()
