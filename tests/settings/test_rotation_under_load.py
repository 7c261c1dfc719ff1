"""Secrets are replaced while they are in use, and nobody is refused: both are good for a while, in every process of every node."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from resource_server.platform import signatures
from resource_server.platform.signatures import SigningKey
from resource_server.simulator.magic import Magic
from tests.cluster.load import Load
from tests.conftest import API
from tests.payments.paying import ask, paid
from tests.resource_server.apis import Caller, open_apis, register, serve, simulator
from tests.settings.stores import Store, serving
from tests.settings.test_live_settings import kept_at
from tests.support.ports import free_port
from tests.support.running import RunningIdp

WITHIN = 30


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_a_clients_secret_is_replaced_under_load(tmp_path: Path) -> None:
    """Two nodes; some callers learn of a new secret at once, others only before the next one comes."""
    with RunningIdp(tmp_path / "idp") as idp:
        nodes = [idp.url, idp.node()]
        idp.cli("resource", "create", API, "--scope", "read=Read things")
        made = idp.client(grant_types=["client_credentials"], audience=[API])
        old = new = made["client_secret"]

        def ask(node: str, secret: str) -> int:
            form, basic = {"grant_type": "client_credentials"}, (made["client_id"], secret)
            return requests.post(f"{node}/oauth/token", data=form, auth=basic, timeout=30).status_code

        prompt = Load(lambda: tuple(ask(node, new) for node in nodes), 2)
        slow = Load(lambda: tuple(ask(node, old) for node in nodes), 1)
        with prompt.running(), slow.running():
            for _ in range(2):
                old = new
                answered = sum(slow.told.values())
                eventually(lambda count=answered: sum(slow.told.values()) > count + 3)
                rotated = idp.cli("client", "rotate-secret", made["client_id"], "--grace", "3600")["client_secret"]
                eventually(lambda value=rotated: all(ask(node, value) == 200 for node in nodes))
                new = rotated
        assert set(prompt.told) == set(slow.told) == {(200, 200)}, (prompt.told, slow.told)
        assert {ask(node, made["client_secret"]) for node in nodes} == {401}, "a pair is two"


class Verifying:
    """A receiver of webhooks that knows one key, as receivers do: `answered` counts what it took and what it refused."""

    def __init__(self) -> None:
        self.key = ""
        self.answered: Counter[int] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    @contextmanager
    def running(self) -> Iterator[None]:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 204
                try:
                    given = {name.lower(): value for name, value in self.headers.items()}
                    signatures.verify([receiver.key], given, body, now=time.time())
                except signatures.Unverified:
                    status = 401
                receiver.answered[status] += 1
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        return Handler


def test_the_key_of_a_webhook_is_replaced_under_load(tmp_path: Path) -> None:
    """Whoever receives learns of the new key some time after it signs, and goes on with the old one until then."""
    receiver = Verifying()
    with receiver.running(), open_apis(tmp_path, None, None) as apis:
        machine = apis.machine()
        made = ask(machine, "/v2/webhook-endpoints", {"url": receiver.url}).json()
        receiver.key = made["secret"]
        load = Load(lambda: paid(machine)["status"], 3)

        def taken_more() -> None:
            before = receiver.answered[204]
            eventually(lambda: receiver.answered[204] > before + 6)

        with load.running():
            for _ in range(3):
                taken_more()
                rotated = ask(machine, f"/v2/webhook-endpoints/{made['id']}/secrets", {"scheme": "v1"})
                assert rotated.status_code == 201, rotated.text
                taken_more()
                receiver.key = rotated.json()["secret"]
            taken_more()
        assert set(load.told) == {"succeeded"}, load.told
        assert set(receiver.answered) == {204}, receiver.answered


def test_the_secret_of_the_payment_provider_is_replaced_under_load(tmp_path: Path) -> None:
    """The provider takes two for a while; we change over without a restart, and take its callbacks by either until the old one is dropped."""
    old, new = (SigningKey.new("v1").text for _ in range(2))
    store, port, url = Store(provider_secret=old), free_port(), f"http://127.0.0.1:{free_port()}"

    def callback(secret: str) -> int:
        body = json.dumps({"data": {"what": "charge", "reference": "pay_unknown", "state": "succeeded"}}).encode()
        message = f"cb_{secrets.token_hex(8)}"
        headers = signatures.headers([SigningKey("v1", secret)], message, int(time.time()), body)
        return requests.post(f"{url}/provider-callbacks", data=body, headers=headers, timeout=30).status_code

    both = {"RS_PROVIDER_SECRET": old, "RS_PROVIDER_SECRET_OTHER": new}
    with (
        serving(store, port),
        RunningIdp(tmp_path / "idp") as idp,
        simulator(tmp_path, f"{url}/provider-callbacks", both) as provider,
    ):
        _receiver, _app, service = register(idp, url)
        given = {**kept_at(port, "RS_"), "RS_PROVIDER_SECRET": ""}
        process = serve(idp, tmp_path, url, RS_AUDIENCE=url, RS_PROVIDER_URL=provider, **given)
        try:
            token = service.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
            machine = Caller(url, token)
            works = [
                Load(lambda value=value: paid(machine, value)["status"], 1) for value in (1234, Magic.DOUBLE_CALLBACK)
            ]
            with works[0].running(), works[1].running():
                eventually(lambda: all(work.told["succeeded"] > 2 for work in works))
                assert (callback(old), callback(new)) == (204, 401)
                store.put(provider_secret=new, provider_secret_other=old)
                eventually(lambda: callback(new) == 204)
                assert callback(old) == 204
                before = [work.told["succeeded"] for work in works]
                eventually(lambda: all(work.told["succeeded"] > n + 2 for work, n in zip(works, before, strict=True)))
                del store.values["provider_secret_other"]
                eventually(lambda: callback(old) == 401)
                assert (callback(new), callback("a stranger's")) == (204, 401)
            assert all(set(work.told) == {"succeeded"} for work in works), [work.told for work in works]
            log = process.log.read_text()
            assert "job failed" not in log, "the provider refused nothing"
            assert old not in log
            assert new not in log
        finally:
            process.stop()


def test_the_secret_of_the_services_is_replaced(tmp_path: Path) -> None:
    """What was made with the old one is good while both are known; what is kept is sealed anew, so that the old one may go."""
    first, second = (secrets.token_urlsafe(48) for _ in range(2))
    url, receiver = f"http://127.0.0.1:{free_port()}", Verifying()
    with (
        receiver.running(),
        RunningIdp(tmp_path / "idp") as idp,
        simulator(tmp_path, f"{url}/provider-callbacks") as provider,
    ):
        _receiver, _app, service = register(idp, url)
        token = service.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
        machine = Caller(url, token)

        @contextmanager
        def with_secrets(**known: str) -> Iterator[None]:
            process = serve(idp, tmp_path, url, RS_AUDIENCE=url, RS_PROVIDER_URL=provider, **known)
            try:
                yield
            finally:
                process.stop()

        def told() -> None:
            before = receiver.answered[204]
            assert paid(machine)["status"] == "succeeded"
            eventually(lambda: receiver.answered[204] > before)

        with with_secrets(RS_SECRET=first):
            made = ask(machine, "/v2/webhook-endpoints", {"url": receiver.url}).json()
            receiver.key = made["secret"]
            told()
            told()
            wanted, key = {"amount": {"value": 1, "currency": "EUR"}}, secrets.token_hex(8)
            once = machine.post("/v2/payments", wanted, **{"Idempotency-Key": key})
            page = machine.get("/v2/payments?limit=1").json()["next_page_token"]
        with with_secrets(RS_SECRET=second, RS_SECRET_OTHER=first):
            assert machine.get(f"/v2/payments?limit=1&page_token={page}").status_code == 200
            again = machine.post("/v2/payments", wanted, **{"Idempotency-Key": key})
            assert (again.status_code, again.json()) == (once.status_code, once.json())
            told()
        with with_secrets(RS_SECRET=second):
            assert machine.get(f"/v2/payments?limit=1&page_token={page}").status_code == 400
            told()
        assert set(receiver.answered) == {204}
