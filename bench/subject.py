"""The identity provider as it is measured: two workers, SQLite, limits, metrics and audit on."""

from __future__ import annotations

import base64
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from tests.support.flows import App, Browser, pkce
from tests.support.ports import free_port
from tests.support.running import BIN, Process, RunningIdp, clean_environment

API = "https://api.bench"
CALLBACK = "https://app.bench/callback"


class Subject:
    """A running provider with a service, a web app and a person that is logged in."""

    def __init__(self, folder: Path, *, workers: int = 2, **settings: str) -> None:
        given = {"bcrypt_cost": "12", "metrics_port": str(free_port()), **settings}
        self.idp = RunningIdp(folder, **given)
        self.workers = workers

    def __enter__(self) -> Subject:
        self.idp.cli("init")
        self.idp.user("alice", "--email-verified")
        self.idp.cli("resource", "create", API, "--scope", "read=Read things")
        self.service = App(
            self.idp.url, self.idp.client(grant_types=["client_credentials"], audience=[API], introspects=[API])
        )
        web = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"], "audience": [API]}
        self.web = App(self.idp.url, self.idp.client(consent="trusted", **web))
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.idp.stop()

    def start(self) -> float:
        """Start the server; seconds until the first token was there."""
        begin = time.perf_counter()
        self.idp.node(self.idp.port, workers=self.workers)
        assert self.service.post("/oauth/token", grant_type="client_credentials").status_code == 200
        return time.perf_counter() - begin

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.idp.port

    @property
    def pid(self) -> int:
        return self.idp.nodes[-1].process.pid

    @staticmethod
    def basic(app: App) -> str:
        credentials = f"{app.client_id}:{app.client['client_secret']}"
        return "Authorization: Basic " + base64.b64encode(credentials.encode()).decode()

    def service_token(self) -> str:
        token: str = self.service.post("/oauth/token", grant_type="client_credentials").json()["access_token"]
        return token

    def logged_in(self) -> Browser:
        browser = Browser(self.idp.url)
        self.web.login(browser, "alice")
        return browser

    def refresh_token(self, browser: Browser) -> str:
        token: str = self.web.tokens(browser, "alice", scope="openid offline_access read")["refresh_token"]
        return token

    def authorize_path(self) -> tuple[str, str]:
        verifier, challenge = pkce()
        asked = {
            "client_id": self.web.client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid read",
            "state": secrets.token_urlsafe(8),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"/oauth/authorize?{urlencode(asked)}", verifier


class Api:
    """The tiny API of `bench.api` on the same server as the provider, guarded in one of three ways."""

    def __init__(self, subject: Subject, guard: str) -> None:
        self.port = free_port()
        settings = {
            "BENCH_GUARD": guard,
            "BENCH_ISSUER": subject.idp.issuer,
            "BENCH_AUDIENCE": API,
            "BENCH_CLIENT": subject.service.client_id,
            "BENCH_SECRET": subject.service.client["client_secret"],
        }
        command = [str(BIN / "granian"), "--interface", "wsgi", "--port", str(self.port), "--workers", "2"]
        command += ["--no-log", "--working-dir", str(Path(__file__).parent.parent), "bench.api:app"]
        environ = {**clean_environment(), **settings}
        log = subject.idp.folder / f"api-{guard}.log"
        self._process = Process(command, environ, log, f"http://127.0.0.1:{self.port}/ready")

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stop()

    def call(self, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"http://127.0.0.1:{self.port}/things", headers=headers, timeout=10)


def wait_until(holds: Any, seconds: float = 60) -> float:
    """Seconds until a promise is kept."""
    begin = time.perf_counter()
    while not holds():
        if time.perf_counter() - begin > seconds:
            raise AssertionError("a promise was not kept")
        time.sleep(0.02)
    return time.perf_counter() - begin
