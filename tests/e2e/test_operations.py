"""What operators rely on: logs that tell no secret, metrics of all workers, an audit trail, and a server that slow senders cannot block."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
import requests

from tests.conftest import API
from tests.support.flows import App, Browser, Page
from tests.support.ports import free_port
from tests.support.running import PASSWORD, RunningIdp

HALF_SENT = 100
PATIENCE = 20


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """Two workers with the metrics port open."""
    idp = RunningIdp(tmp_path_factory.mktemp("watched"), metrics_port=str(free_port()))
    with idp.cluster():
        idp.cli("init")
        idp.user("alice")
        idp.cli("resource", "create", API, "--scope", "read=Read things")
        idp.node(idp.port, workers=2)
        yield idp


@pytest.fixture(scope="module")
def app(watched: RunningIdp) -> App:
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    return App(watched.url, watched.client(redirect_uris=["https://app.test/cb"], grant_types=grants, audience=[API]))


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_secret_is_logged(watched: RunningIdp, app: App) -> None:
    browser = Browser(watched.url)
    wrong = "a wrong password of alice"
    page = Page(browser.open(app.authorize_url()[0]))
    browser.submit(page, "login", username="alice", password=wrong)
    answer, verifier = app.login(browser, "alice", scope="openid offline_access read", state="the-state-of-the-app")
    tokens = app.redeem(answer["code"], verifier).json()
    app.redeem(answer["code"], verifier)
    again = app.refresh(tokens["refresh_token"])
    app.refresh(tokens["refresh_token"] + "x")
    app.userinfo(tokens["access_token"])
    revoked = app.post("/oauth/revoke", token=tokens["refresh_token"])
    cookies = browser.http.cookies.get_dict()
    master = (watched.folder / "keys" / "master.key").read_text().strip()
    secrets = [PASSWORD, wrong, answer["code"], verifier, app.client["client_secret"], master, "the-state-of-the-app"]
    secrets += [*tokens.values(), again.text, *cookies.values()]
    logs = watched.logs(until=revoked.headers["X-Request-Id"])
    assert '"/oauth/token"' in logs
    assert [secret for secret in secrets if len(str(secret)) > 8 and str(secret) in logs] == []


def test_log_lines_are_json_with_the_request_id_of_the_answer(watched: RunningIdp, app: App) -> None:
    response = app.post("/oauth/token", grant_type="client_credentials")
    given = requests.get(f"{watched.url}/livez", headers={"X-Request-Id": "from-the-proxy"}, timeout=10)
    assert given.headers["X-Request-Id"] == "from-the-proxy"
    watched.logs(until="from-the-proxy")  # another worker's line than the other
    lines = [json.loads(line) for line in watched.logs(until=response.headers["X-Request-Id"]).splitlines()]
    (line,) = [one for one in lines if one.get("request_id") == response.headers["X-Request-Id"]]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/oauth/token", 200)
    assert "from-the-proxy" in [one.get("request_id") for one in lines]


def test_metrics_sum_up_all_workers_on_a_port_of_their_own(watched: RunningIdp, app: App) -> None:
    url = f"http://127.0.0.1:{watched.environ['IDP_METRICS_PORT']}/metrics"
    before = _counted(url)
    for _ in range(40):
        assert app.post("/oauth/token", grant_type="client_credentials").status_code == 200
    eventually(lambda: _counted(url) >= before + 40)
    assert requests.get(f"{watched.url}/metrics", timeout=10).status_code == 404


def _counted(url: str) -> int:
    return _values(url).get('idp_tokens_issued_total{kind="client_credentials"}', 0)


def _values(url: str) -> dict[str, int]:
    """Every counter of whole numbers."""
    lines = [line.rsplit(" ", 1) for line in requests.get(url, timeout=10).text.splitlines() if line[0] != "#"]
    return {name: int(float(value)) for name, value in lines if "_total" in name or "_count" in name}


REFUSALS = {
    "/oauth/token": ("unsupported_grant_type", "invalid_grant", "invalid_scope", "invalid_client"),
    "/oauth/userinfo": ("invalid_token",),
    "/oauth/authorize": ("invalid_client", "login_required", "unsupported_response_type"),
    "/oauth/authorize/cancel": ("access_denied",),
    "other": ("http_404",),
}


def test_refusals_are_counted_by_endpoint_and_error_whatever_was_asked_for(watched: RunningIdp, app: App) -> None:
    url = f"http://127.0.0.1:{watched.environ['IDP_METRICS_PORT']}/metrics"
    names = [
        f'idp_refused_total{{endpoint="{endpoint}",error="{error}"}}'
        for endpoint, errors in REFUSALS.items()
        for error in errors
    ]
    before = _values(url)
    _provoke(app, Browser(watched.url), "outlandish")
    eventually(lambda: all(_values(url).get(name, 0) > before.get(name, 0) for name in names))
    assert not [name for name in _values(url) if "outlandish" in name], "what strangers send makes no names"


def _provoke(app: App, browser: Browser, strange: str) -> None:
    """Each of these refusals, with something in it that nobody else would say."""
    app.post("/oauth/token", grant_type=strange)
    app.post("/oauth/token", grant_type="authorization_code", code=strange, redirect_uri=f"https://{strange}/")
    app.post("/oauth/token", grant_type="client_credentials", scope=strange)
    requests.post(f"{app.idp}/oauth/token", data={"grant_type": "refresh_token"}, auth=(strange, "x"), timeout=30)
    requests.get(f"{app.idp}/oauth/userinfo", headers={"Authorization": f"Bearer {strange}"}, timeout=30)
    browser.open(f"{app.idp}/oauth/authorize?client_id={strange}")
    browser.open(app.authorize_url(prompt="none", state=strange)[0])
    browser.open(app.authorize_url(response_type=strange)[0])
    browser.open(f"{app.idp}/{strange}")
    browser.submit(Page(browser.open(app.authorize_url(state=strange)[0])), "cancel")


def test_pages_are_counted_by_their_path(watched: RunningIdp) -> None:
    url = f"http://127.0.0.1:{watched.environ['IDP_METRICS_PORT']}/metrics"
    name = 'idp_request_seconds_count{endpoint="/login",status="200"}'
    before = _values(url).get(name, 0)
    assert Browser(watched.url).open(f"{watched.url}/login").status_code == 200
    eventually(lambda: _values(url).get(name, 0) > before)


def test_the_audit_trail_tells_what_happened_and_is_whole(watched: RunningIdp, app: App) -> None:
    app.tokens(Browser(watched.url), "alice", scope="openid read")
    verdict = watched.cli("audit", "verify")
    assert verdict["broken_at"] is None
    assert verdict["entries"] > 5


def test_slow_senders_block_nobody(watched: RunningIdp, app: App) -> None:
    """A hundred clients that send half a body hold a hundred connections, not the server; also when they come on top of a load."""
    with ThreadPoolExecutor(32) as crowd:
        tokens = list(crowd.map(lambda _: app.post("/oauth/token", grant_type="client_credentials"), range(300)))
    assert {token.status_code for token in tokens} == {200}
    half = (
        f"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{watched.port}\r\nContent-Length: 1000\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type="
    )
    with ExitStack() as stack:
        for _ in range(HALF_SENT):
            connection = stack.enter_context(closing(socket.create_connection(("127.0.0.1", watched.port))))
            connection.sendall(half.encode())
        for _ in range(10):
            assert app.post("/oauth/token", grant_type="client_credentials").status_code == 200
            assert requests.get(f"{watched.url}/readyz", timeout=10).status_code == 200


def test_nonsense_on_the_wire_ends_that_connection_alone(watched: RunningIdp, app: App) -> None:
    for nonsense in (
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01" * 40,
    ):
        with closing(socket.create_connection(("127.0.0.1", watched.port), timeout=10)) as connection:
            connection.sendall(nonsense)
            assert not connection.recv(4096).startswith(b"HTTP/1.1 5")
    assert app.post("/oauth/token", grant_type="client_credentials").status_code == 200
