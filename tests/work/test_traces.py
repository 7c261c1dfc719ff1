"""One trace id, from a request to all that is done for it later: the provider's call, webhooks, letters, pushed events, and every log line."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from tests.payments.paying import ask, eventually
from tests.resource_server.apis import ALL, Caller, register, serve
from tests.support import nursery
from tests.support.flows import Browser, Page
from tests.support.ports import free_port
from tests.support.running import BIN, RunningIdp, clean_environment


class Outside:
    """A payment provider that takes every charge, and a receiver of webhooks that misses the first one: `seen` is what named the trace, by path."""

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def traces(self, path: str) -> list[str]:
        """The trace id of each request."""
        return [traceparent.split("-")[1] for traceparent in self.seen.get(path, [])]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                told = seen.setdefault(self.path, [])
                told.append(self.headers["traceparent"] or "--")
                self.send_response(503 if self.path == "/hooks" and len(told) == 1 else 201)
                body = json.dumps({"state": "succeeded"}).encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        return Handler


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    with RunningIdp(tmp_path_factory.mktemp("issuer")) as idp:
        idp.user("alice")
        yield idp


def new_trace() -> tuple[str, str]:
    """Its id, and how a caller says it."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


def lines(*logs: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for log in logs for line in log.read_text("utf-8").splitlines() if line.startswith("{")]


@contextmanager
def worker(folder: Path, settings: Mapping[str, str]) -> Iterator[Path]:
    """A worker in a process of its own; its log."""
    log, command = folder / "worker.log", [str(BIN / "resource-server"), "worker"]
    with log.open("wb") as output:
        process = nursery.start(command, {**clean_environment(), **settings}, folder, output)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(60)


def test_a_trace_goes_from_a_request_to_the_provider_the_webhook_and_the_log(
    issuer: RunningIdp, queue_url: str, tmp_path: Path
) -> None:
    port = free_port()
    url, (trace_id, traceparent) = f"http://127.0.0.1:{port}", new_trace()
    _receiver, _app, service = register(issuer, url)
    token = service.post("/oauth/token", grant_type="client_credentials", scope=ALL).json()["access_token"]
    with Outside() as outside:
        settings = {
            "RS_AUDIENCE": url,
            "RS_ISSUER": issuer.issuer,
            "RS_DATA_DIR": str(tmp_path / f"services-{port}"),
            "RS_PROVIDER_URL": outside.url,
            "RS_PROVIDER_SECRET": "what the provider knows us by",
            "RS_OUTBOUND_ALLOW": "127.0.0.0/8",
            "RS_QUEUE_URL": queue_url,
            "RS_WORKER": "apart",
            "RS_WEBHOOK_RETRIES": "0.05,0.05",
        }
        process, caller = serve(issuer, tmp_path, url, **settings), Caller(url, token)
        try:
            with worker(tmp_path, settings) as log:
                hook = {"url": f"{outside.url}/hooks", "events": ["payment.succeeded"]}
                assert ask(caller, "/v2/webhook-endpoints", hook).status_code == 201
                wanted = {"amount": {"value": 1234, "currency": "EUR"}}
                paid = ask(caller, "/v2/payments", wanted, traceparent=traceparent)
                assert paid.headers["traceparent"].split("-")[1] == trace_id
                eventually(lambda: outside.traces("/hooks"), lambda seen: len(seen) == 2)
                done = eventually(
                    lambda: [one for one in lines(log) if one["event"] == "job done"], lambda d: len(d) == 2
                )
        finally:
            process.stop()
    assert outside.traces("/charges") == [trace_id]
    assert outside.traces("/hooks") == [trace_id] * 2, "told again, in the same trace"
    spans = [text for texts in outside.seen.values() for text in texts]
    assert len(set(spans)) == 3, "each call is a part of its own"
    assert {text[-2:] for text in spans} == {"01"}, "what the caller decided about sampling holds"
    assert {one["kind"]: one["trace_id"] for one in done} == {"payment.charge": trace_id, "webhook.deliver": trace_id}
    told = lines(log, process.log)
    assert {one["event"] for one in told if one.get("trace_id") == trace_id} >= {"request", "job failed", "job done"}


def test_a_letter_is_part_of_the_trace_of_whoever_asked_for_it(issuer: RunningIdp) -> None:
    def asked(**headers: str) -> requests.Response:
        browser = Browser(issuer.url)
        page = Page(browser.open(f"{issuer.url}/password/forgot"))
        browser.http.headers.update(headers)
        form = page.forms["forgot"]
        data = {**form.fields, "email": "alice@example.com"}
        return browser.http.post(form.action, data=data, allow_redirects=False, timeout=30)

    def kinds(trace_id: str) -> list[str]:
        told = [json.loads(line) for line in issuer.logs().splitlines()]
        return [one["kind"] for one in told if one["event"] == "job done" and one.get("trace_id") == trace_id]

    trace_id, traceparent = new_trace()
    asked(traceparent=traceparent)
    eventually(lambda: kinds(trace_id), lambda seen: seen == ["password-forgotten", "mail"])
    assert issuer.logs(until=f'"trace_id":"{trace_id}"'), "the request's own line, which is written with others"
    unnamed = asked().headers["X-Request-Id"]
    eventually(lambda: kinds(unnamed), lambda seen: seen == ["password-forgotten", "mail"])
    named = asked(**{"X-Request-Id": "from-the-proxy", "traceparent": "nonsense"}).headers["X-Request-Id"]
    (line,) = [one for one in issuer.logs(named).splitlines() if named in one]
    eventually(lambda: kinds(json.loads(line)["trace_id"]), lambda seen: seen == ["password-forgotten", "mail"])


def test_an_event_is_pushed_in_the_trace_of_the_request_that_it_tells_of(issuer: RunningIdp, tmp_path: Path) -> None:
    url, (trace_id, traceparent) = f"http://127.0.0.1:{free_port()}", new_trace()
    receiver, app, _service = register(issuer, url)
    process = serve(issuer, tmp_path, url, RS_AUDIENCE=url, RS_EVENTS_TOKEN=receiver)
    try:
        token = app.tokens(Browser(issuer.url), "alice", scope="users:read")["access_token"]
        assert app.post("/oauth/revoke", token=token, headers={"traceparent": traceparent}).status_code == 200
        eventually(
            lambda: [one for one in lines(process.log) if one.get("path") == "/events"],
            lambda seen: trace_id in {one["trace_id"] for one in seen},
        )
    finally:
        process.stop()
