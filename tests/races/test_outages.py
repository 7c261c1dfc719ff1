"""A database that is locked or away: 503 with Retry-After, nothing acknowledged is lost, and recovery without a hand."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
import sqlalchemy as sa

from tests.conftest import API
from tests.support import databases
from tests.support.flows import App, Browser, Page
from tests.support.proxy import Wire
from tests.support.running import RunningIdp

RECOVERY = 30


def equip(idp: RunningIdp) -> App:
    """A person, an API, and a client for both kinds of token."""
    idp.user("alice")
    idp.cli("resource", "create", API, "--scope", "read=Read things")
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    made = idp.client(redirect_uris=["https://app.test/cb"], grant_types=grants, audience=[API], introspects=[API])
    return App(idp.url, made)


def assert_unavailable(response: requests.Response) -> None:
    assert response.status_code == 503, response.text
    assert int(response.headers["Retry-After"]) > 0
    assert "Traceback" not in response.text


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RECOVERY
    while not holds():
        assert time.monotonic() < deadline, "no recovery"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    with RunningIdp(tmp_path_factory.mktemp("locked")) as idp:
        yield idp


def test_a_locked_database_gives_503_and_takes_nothing(on_sqlite: RunningIdp) -> None:
    app = equip(on_sqlite)
    first = app.tokens(Browser(on_sqlite.url), "alice", scope="openid offline_access read")
    answer, verifier = app.login(Browser(on_sqlite.url), "alice", scope="openid read")
    stranger = Browser(on_sqlite.url)
    login = Page(stranger.open(f"{on_sqlite.url}/login"))
    assert app.post("/oauth/token", grant_type="client_credentials").status_code == 200
    with closing(sqlite3.connect(on_sqlite.folder / "var" / "idp.sqlite3", isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(3) as pool:
            waiting = (
                pool.submit(app.refresh, first["refresh_token"]),
                pool.submit(app.redeem, answer["code"], verifier),
                pool.submit(stranger.submit, login, "login", username="alice", password="a wrong one"),
            )
            service = app.post("/oauth/token", grant_type="client_credentials")
            assert service.status_code == 200, "what needs no write goes on: indexes of status lists were leased before"
            assert app.introspect(service.json()["access_token"])["active"] is True
            for response in waiting:
                assert_unavailable(response.result())
        locker.execute("ROLLBACK")
    assert app.refresh(first["refresh_token"]).status_code == 200
    assert app.redeem(answer["code"], verifier).status_code == 200


@pytest.fixture
def wire(postgres_server: str) -> Iterator[Wire]:
    url = sa.make_url(postgres_server)
    with Wire((str(url.host), int(url.port or 5432))) as proxy:
        yield proxy


def test_a_database_that_goes_away_gives_503_and_comes_back_by_itself(
    postgres_server: str, wire: Wire, tmp_path: Path
) -> None:
    with databases.empty_postgres(postgres_server) as direct:
        through = sa.make_url(direct).set(port=wire.port).render_as_string(hide_password=False)
        with RunningIdp(tmp_path / "idp", through) as idp:
            app = equip(idp)
            tokens = app.tokens(Browser(idp.url), "alice", scope="openid offline_access read")
            wire.cut()
            assert_unavailable(requests.get(f"{idp.url}/readyz", timeout=30))
            assert requests.get(f"{idp.url}/livez", timeout=30).status_code == 200
            assert_unavailable(app.refresh(tokens["refresh_token"]))
            assert_unavailable(app.userinfo(tokens["access_token"]))
            assert_unavailable(app.post("/oauth/introspect", token=tokens["access_token"]))
            assert_unavailable(Browser(idp.url).open(app.authorize_url()[0]))
            assert requests.get(f"{idp.url}/oauth/jwks", timeout=30).status_code == 200
            wire.mend()
            eventually(lambda: requests.get(f"{idp.url}/readyz", timeout=30).status_code == 200)
            assert app.refresh(tokens["refresh_token"]).status_code == 200
            assert app.userinfo(tokens["access_token"]).status_code == 200


def test_a_stopping_server_finishes_what_it_began(tmp_path: Path) -> None:
    """SIGTERM while a request's body is still on its way: it is answered, then the server is gone."""
    with RunningIdp(tmp_path / "idp") as idp:
        app = equip(idp)
        body = urlencode({"grant_type": "client_credentials", "client_id": app.client_id}).encode()
        credentials = b64encode(f"{app.client_id}:{app.client['client_secret']}".encode()).decode()
        head = (
            f"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{idp.port}\r\nAuthorization: Basic {credentials}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", idp.port), timeout=30) as connection:
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100"), "the server is waiting for the body"
            idp.nodes[0].process.send_signal(signal.SIGTERM)
            eventually(lambda: not accepts(idp.port))
            connection.sendall(body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert idp.nodes[0].stop() == 0


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True
