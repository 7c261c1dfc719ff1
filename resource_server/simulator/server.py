"""The simulator over HTTP: what the services ask for, what the payer's browser sees, and the callbacks it signs."""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
import urllib3

from resource_server.platform import signatures
from resource_server.platform.signatures import SigningKey
from resource_server.simulator import bank, magic
from resource_server.simulator.accounts import Accounts, Order
from resource_server.simulator.bank import Bank, Page
from resource_server.simulator.magic import Magic

_MAX_BODY = 64 * 1024
_MOST_CHARGES = 100
_CALLBACK_TRIES = 5
_CHANGES = frozenset({"captures", "cancellations", "refunds"})
log = structlog.get_logger("rs.simulator")


@dataclass(frozen=True, slots=True)
class Manner:
    """How the simulator behaves; seconds. `hang` is how long a magic time-out lasts, `late` how long a pending charge takes.

    Browsers reach it at `url`, and go back to these `shops` (origins).

    While a secret changes there are two: it takes requests with either, and signs with both.
    """

    secrets: tuple[str, ...]
    callback_url: str | None
    url: str = ""
    shops: tuple[str, ...] = ()
    latency: float = 0.05
    hang: float = 10.0
    late: float = 3.0


class Simulator:
    """What requests do; independent of how they arrive."""

    def __init__(self, accounts: Accounts, manner: Manner) -> None:
        self.accounts = accounts
        self.manner = manner
        self.bank = Bank(self, manner.secrets, manner.url, manner.shops)
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=5))

    def charge(self, order: Order) -> tuple[int, dict[str, Any]]:
        """Charge, in the manner of the sum."""
        odd, first = magic.of(order.value), self._count(order.key) == 1
        known = self.find(order.key)
        if known is not None:
            return 200, known
        match odd:
            case Magic.TIME_OUT if first:
                time.sleep(self.manner.hang)
                return 503, {"error": "too late"}
            case Magic.FAILING_BURST if self._tries[order.key] <= magic.BURST:
                return 503, {"error": "try again"}
            case Magic.DECLINE:
                return 402, self.accounts.charge(order, "declined", "insufficient_funds", None)
            case Magic.DOUBLE_CALLBACK | Magic.LATE_CALLBACK:
                return 201, self._pending(order, odd)
            case Magic.AUTHENTICATION:
                return 201, self._with_page(self.accounts.charge(order, "requires_action", None, None))
        made = self.accounts.charge(order, "succeeded", None, None)
        if odd is Magic.TIME_OUT_BUT_CHARGED and first:
            time.sleep(self.manner.hang)
        return 201, made

    def find(self, key: str) -> dict[str, Any] | None:
        """What became of a request, and where its payer has something to do."""
        found = self.accounts.find(key)
        return None if found is None else self._with_page(found)

    def look(self, charge: str) -> dict[str, Any] | None:
        """A charge, as it stands."""
        return self.accounts.look(charge)

    def authenticate(self, charge: str, *, passed: bool) -> dict[str, Any] | None:
        """The payer's bank says whether it was them, and we tell."""
        done = self.accounts.settle(charge, passed=passed)
        if done is not None:
            threading.Thread(target=self._tell, args=(charge, 1), daemon=True).start()
        return done

    def _with_page(self, found: dict[str, Any]) -> dict[str, Any]:
        waits = found["what"] == "charge" and found["state"] == "requires_action"
        return {**found, "action_url": self.bank.page_of(found["charge"])} if waits else found

    def _count(self, key: str) -> int:
        with self._lock:
            self._tries[key] += 1
            return self._tries[key]

    def _pending(self, order: Order, odd: Magic) -> dict[str, Any]:
        after = self.manner.late if odd is Magic.LATE_CALLBACK else min(0.3, self.manner.late)
        made = self.accounts.charge(order, "pending", None, time.time() + after)
        times = 2 if odd is Magic.DOUBLE_CALLBACK else 1

        def settle() -> None:
            time.sleep(after)
            self.accounts.settle(order.key)
            self._tell(order.key, times)

        threading.Thread(target=settle, daemon=True).start()
        return made

    def _tell(self, charge: str, times: int) -> None:
        """Call back with what a charge came to; a repeat is the same message, in the way such repeats happen."""
        found = self.accounts.find(charge)
        if self.manner.callback_url is None or found is None:
            return
        reference = next(one["reference"] for one in self.accounts.charges() if one["key"] == charge)
        body = json.dumps({"type": "charge.changed", "data": {**found, "reference": reference}}).encode()
        message = f"cb_{secrets.token_hex(12)}"
        for _ in range(times):
            self._send(message, body)

    def _send(self, message: str, body: bytes) -> None:
        keys = [SigningKey("v1", secret) for secret in self.manner.secrets]
        for attempt in range(_CALLBACK_TRIES):
            headers = signatures.headers(keys, message, int(time.time()), body)
            try:
                sent = {**headers, "Content-Type": "application/json"}
                answer = self._pool.request("POST", str(self.manner.callback_url), body=body, headers=sent)
                if answer.status < 300:
                    return
            except urllib3.exceptions.HTTPError as error:
                log.info("callback failed", message=message, error=type(error).__name__)
            time.sleep(0.2 * 2**attempt)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _simulator(self) -> Simulator:
        assert isinstance(self.server, Server)
        return self.server.simulator

    def do_GET(self) -> None:
        if self.path == "/readyz":
            self._answer(200, {"status": "ready"})
        elif self.path.startswith(bank.PREFIX):
            self._show(self._simulator.bank.get(self.path))
        elif not self._authentic():
            self._answer(401, {"error": "unauthorized"})
        elif self.path == "/charges":
            self._answer(200, {"charges": self._simulator.accounts.charges()})
        elif self.path.startswith("/charges?"):
            self._page(parse_qs(urlsplit(self.path).query))
        else:
            time.sleep(self._simulator.manner.latency)
            found = self._simulator.find(self.path.removeprefix("/requests/"))
            self._answer(200 if found else 404, found or {"error": "unknown"})

    def _page(self, asked: Mapping[str, list[str]]) -> None:
        """The books, a page at a time."""
        after, limit = (asked.get(name, [otherwise])[0] for name, otherwise in (("after", "0"), ("limit", "100")))
        if not (after.isascii() and after.isdigit() and limit.isascii() and limit.isdigit() and int(limit)):
            self._answer(400, {"error": "malformed"})
            return
        charges, following = self._simulator.accounts.page(int(after), min(int(limit), _MOST_CHARGES))
        self._answer(200, {"charges": charges, "next": None if following is None else str(following)})

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))
        if self.path.startswith(bank.PREFIX):
            self._show(self._simulator.bank.post(self.path, body))
            return
        if not self._authentic():
            self._answer(401, {"error": "unauthorized"})
            return
        try:
            status, document = self._post(self.path.strip("/").split("/"), json.loads(body))
        except (ValueError, KeyError, TypeError):
            status, document = 400, {"error": "malformed"}
        time.sleep(self._simulator.manner.latency)
        self._answer(status, document)

    def _post(self, parts: list[str], asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = self.headers.get("Idempotency-Key") or ""
        match parts:
            case ["charges"] if key:
                amount = asked["amount"]
                order = Order(key, asked["reference"], amount["value"], amount["currency"], bool(asked["capture"]))
                return self._simulator.charge(order)
            case ["charges", charge, "authentications"]:
                done = self._simulator.authenticate(charge, passed=bool(asked["passed"]))
            case ["charges", charge, what] if what in _CHANGES and key:
                done = self._simulator.accounts.change(key, charge, what, asked["amount"]["value"])
            case _:
                return 400, {"error": "malformed"}
        return (200, done) if done else (404, {"error": "unknown"})

    def _authentic(self) -> bool:
        given = (self.headers.get("Authorization") or "").encode()
        good = [f"Bearer {secret}".encode() for secret in self._simulator.manner.secrets]
        return any(hmac.compare_digest(given, one) for one in good)

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        self._show(Page(status, json.dumps(document).encode(), {"Content-Type": "application/json"}))

    def _show(self, page: Page) -> None:
        try:
            self.send_response(page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(page.content)))
            self.end_headers()
            self.wfile.write(page.content)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: keys and sums are nobody's business."""


class Server(ThreadingHTTPServer):
    """Bound once it is made; `serve_forever` answers many callers at once, until `shutdown`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, simulator: Simulator, host: str, port: int) -> None:
        self.simulator = simulator
        super().__init__((host, port), _Handler)
