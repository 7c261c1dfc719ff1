"""The database secrets engine of OpenBao, as its HTTP API describes it: makes users of a real PostgreSQL, and ends them when their lease does."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sqlalchemy as sa

from tests.settings.stores import TOKEN

_WATCH_SECONDS = 0.1


class DatabaseEngine:
    """`url` is the database as its owner connects. A lease holds for `ttl` seconds, and no longer than `longest` in all however often it is renewed.

    The end of a lease is the end of its user, and of whatever connection that user still has. `ill` is what it answers instead while set.
    """

    def __init__(self, url: str, *, ttl: float, longest: float) -> None:
        self.ttl = ttl
        self.longest = longest
        self.ill: int | None = None
        self.made: list[str] = []
        self.ended: list[str] = []
        self.renewals = 0
        self._leases: dict[str, tuple[str, float, float]] = {}
        self._lock = threading.RLock()
        self._database = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def answer(self, method: str, path: str, token: str | None, body: dict[str, Any]) -> tuple[int, Any]:
        if self.ill is not None:
            return self.ill, {"errors": []}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        with self._lock:
            match method, path:
                case "GET", "/v1/database/creds/idp":
                    return 200, self._make()
                case "PUT", "/v1/sys/leases/renew":
                    return self._renew(body["lease_id"], float(body["increment"]))
                case "PUT", "/v1/sys/leases/revoke":
                    self._end(body["lease_id"])
                    return 204, None
        return 404, {"errors": []}

    def users(self) -> set[str]:
        """Those whose lease has not ended."""
        with self._lock:
            return {name for name, _until, _last in self._leases.values()}

    def watch(self) -> None:
        """End what is over."""
        with self._lock:
            for identifier, (_name, until, _last) in list(self._leases.items()):
                if until < time.monotonic():
                    self._end(identifier)

    def _make(self) -> dict[str, Any]:
        name, password, identifier = f"v-idp-{secrets.token_hex(6)}", secrets.token_hex(12), secrets.token_hex(8)
        with self._database.connect() as connection:
            connection.exec_driver_sql(f"CREATE ROLE \"{name}\" LOGIN SUPERUSER PASSWORD '{password}'")
        now = time.monotonic()
        self.made.append(name)
        self._leases[f"database/creds/idp/{identifier}"] = name, now + self.ttl, now + self.longest
        return {
            "request_id": secrets.token_hex(8),
            "lease_id": f"database/creds/idp/{identifier}",
            "renewable": True,
            "lease_duration": int(self.ttl),
            "data": {"username": name, "password": password},
        }

    def _renew(self, identifier: str, increment: float) -> tuple[int, Any]:
        if identifier not in self._leases:
            return 400, {"errors": ["lease not found"]}
        name, _until, last = self._leases[identifier]
        until = min(time.monotonic() + increment, last)
        self._leases[identifier] = name, until, last
        self.renewals += 1
        seconds = int(max(0.0, until - time.monotonic()))
        return 200, {"lease_id": identifier, "renewable": True, "lease_duration": seconds}

    def _end(self, identifier: str) -> None:
        name, _until, _last = self._leases.pop(identifier)
        with self._database.connect() as connection:
            connection.exec_driver_sql(f'ALTER ROLE "{name}" NOLOGIN')
            query = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :name")
            connection.execute(query, {"name": name})
        self.ended.append(name)

    def clean(self) -> None:
        """Take the users out of the server, and what they own with them."""
        with self._database.connect() as connection:
            for name in self.made:
                connection.exec_driver_sql(f'REASSIGN OWNED BY "{name}" TO postgres')
                connection.exec_driver_sql(f'DROP ROLE "{name}"')


@contextmanager
def leasing(engine: DatabaseEngine) -> Iterator[int]:
    """The port at which it answers, over real HTTP; leases end by themselves meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def _told(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else {}
            status, document = engine.answer(self.command, self.path, self.headers.get("X-Vault-Token"), body)
            answer = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = _told

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_SECONDS):
            engine.watch()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threads = [threading.Thread(target=work, daemon=True) for work in (server.serve_forever, watch)]
    for thread in threads:
        thread.start()
    try:
        yield server.server_port
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()
        engine.clean()
