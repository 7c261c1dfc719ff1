"""Protocol endpoints answer the same through the front and through Flask alone: one implementation, two ways in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from werkzeug.serving import WSGIRequestHandler, make_server

from idp.app import create_app, create_wsgi, protocol_routes
from idp.opening import open_house
from idp.settings_source import load
from tests.support.flows import App
from tests.support.running import RunningIdp

_PER_ANSWER = {"Date", "Server", "X-Request-Id", "Connection", "Content-Length"}


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def served(application: Any) -> Iterator[str]:
    """The application on a port of its own, in a thread."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def ways(idp: RunningIdp) -> Iterator[tuple[str, str]]:
    """Base URLs of the front and of Flask alone, on one database."""
    with ExitStack() as stack:
        urls = []
        for make in (create_wsgi, lambda house: create_app(house, protocol_routes(house))):
            house = stack.enter_context(open_house(load({**idp.environ})))
            house.keyring.reload()
            house.resource_directory.reload()
            urls.append(stack.enter_context(served(make(house))))
        yield urls[0], urls[1]


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    form: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    basic: bool = False


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SERVICE = {"grant_type": "client_credentials", "scope": "read"}
ASKS = {
    "token": Ask("POST", "/oauth/token", SERVICE, basic=True),
    "wrong scope": Ask("POST", "/oauth/token", {**SERVICE, "scope": "no"}, basic=True),
    "nobody": Ask("POST", "/oauth/token", SERVICE),
    "by GET": Ask("GET", "/oauth/token"),
    "by PUT": Ask("PUT", "/oauth/token", SERVICE),
    "query": Ask("POST", "/oauth/token?grant_type=client_credentials", SERVICE, basic=True),
    "JSON": Ask("POST", "/oauth/token", "{}", {"Content-Type": "application/json"}, basic=True),
    "twice": Ask("POST", "/oauth/token", "grant_type=a&grant_type=b", FORM, basic=True),
    "NUL": Ask("POST", "/oauth/token", "grant_type=a%00", FORM, basic=True),
    "no UTF-8": Ask("POST", "/oauth/token", "grant_type=%ff", FORM, basic=True),
    "too large": Ask("POST", "/oauth/token", "a=" + "b" * 70000, FORM, basic=True),
    "too many": Ask("POST", "/oauth/token", "&".join(f"a{i}=b" for i in range(999)), FORM, basic=True),
    "long query": Ask("GET", "/oauth/userinfo?" + "a" * 20000),
    "revoke": Ask("POST", "/oauth/revoke", {"token": "x"}, basic=True),
    "introspect": Ask("POST", "/oauth/introspect", {"token": "x"}, basic=True),
    "introspect nothing": Ask("POST", "/oauth/introspect", {}, basic=True),
    "userinfo": Ask("GET", "/oauth/userinfo"),
    "userinfo with garbage": Ask("GET", "/oauth/userinfo", headers={"Authorization": "Bearer x"}),
    "preflight": Ask("OPTIONS", "/oauth/token", headers={"Origin": "https://spa.test"}),
    "closed preflight": Ask("OPTIONS", "/oauth/introspect", headers={"Origin": "https://spa.test"}),
    "JWKS": Ask("GET", "/oauth/jwks"),
    "JWKS head": Ask("HEAD", "/oauth/jwks"),
    "discovery": Ask("GET", "/.well-known/openid-configuration"),
    "metadata": Ask("GET", "/.well-known/oauth-authorization-server"),
    "delete": Ask("DELETE", "/oauth/jwks"),
    "snapshot": Ask("GET", "/events/snapshot"),
    "live": Ask("GET", "/livez"),
    "ready": Ask("GET", "/readyz"),
    "slash": Ask("GET", "/oauth/jwks/"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=list(ASKS))
def test_both_ways_answer_the_same(ways: tuple[str, str], service: App, ask: Ask) -> None:
    front, flask = (told(answered(base, ask, service)) for base in ways)
    assert front == flask


def test_an_unchanged_document_is_not_sent_again(ways: tuple[str, str], service: App) -> None:
    for base in ways:
        etag = requests.get(f"{base}/oauth/jwks", timeout=10).headers["ETag"]
        again = requests.get(f"{base}/oauth/jwks", headers={"If-None-Match": etag}, timeout=10)
        assert (again.status_code, again.content) == (304, b"")


def answered(base: str, ask: Ask, service: App) -> requests.Response:
    basic = (service.client_id, service.client["client_secret"]) if ask.basic else None
    url = base + ask.path
    return requests.request(ask.method, url, data=ask.form, headers=ask.headers, auth=basic, timeout=10)


def told(response: requests.Response) -> tuple[int, dict[str, str], Any]:
    headers = {name.title(): value for name, value in response.headers.items() if name not in _PER_ANSWER}
    body: Any = response.content
    if response.headers.get("Content-Type", "").startswith("text/html"):
        body = None  # a page tells its own trace id
    if response.headers.get("Content-Type") == "application/json" and body:
        body = response.json()
        body.pop("access_token", None)
    return response.status_code, headers, body
