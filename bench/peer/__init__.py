"""The npm package `oidc-provider`, installed into a folder of its own and driven over the same wire."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, urlencode

import requests

from bench.scripts import CodeFlows
from bench.subject import API, CALLBACK
from tests.support.flows import pkce
from tests.support.ports import free_port
from tests.support.running import Process, clean_environment

PACKAGE = "oidc-provider@9"
SECRET = "a-secret-of-the-benchmark-alone-0123456789"
_SERVER = Path(__file__).with_name("server.mjs")


def install(folder: Path) -> str | None:
    """Install the package; None when it worked, else why not."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not on this machine"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", PACKAGE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        return f"npm install {PACKAGE} failed"
    shutil.copy(_SERVER, folder / "server.mjs")
    return None


def basic(client: str) -> str:
    """The header by which a client of the benchmark tells who it is."""
    return "Authorization: Basic " + base64.b64encode(f"{client}:{SECRET}".encode()).decode()


def stay(http: requests.Session, home: str, response: requests.Response) -> requests.Response:
    """Follow redirects while they stay at the peer."""
    while response.headers.get("Location", "").startswith((home, "/")):
        target = response.headers["Location"]
        url = target if target.startswith("http") else home + target
        response = http.get(url, allow_redirects=False, timeout=30)
    return response


class Peer:
    """One running peer on a port of its own."""

    def __init__(self, folder: Path, *, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cold_start = 0.0
        self.service, self.web = basic("service"), basic("web")

    def __enter__(self) -> Peer:
        own = {
            "PORT": str(self.port),
            "WORKERS": str(self.workers),
            "SECRET": SECRET,
            "API": API,
            "CALLBACK": CALLBACK,
        }
        environ = {**clean_environment(), **own, "NODE_ENV": "production"}
        begin = time.perf_counter()
        ready = f"{self.url}/.well-known/openid-configuration"
        self._process = Process(["node", str(self.folder / "server.mjs")], environ, self.folder / "log", ready)
        response = requests.post(
            f"{self.url}/token",
            data={"grant_type": "client_credentials", "scope": "read"},
            auth=("service", SECRET),
            timeout=10,
        )
        assert response.status_code == 200, response.text
        self.cold_start = time.perf_counter() - begin
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def pid(self) -> int:
        return self._process.process.pid

    def code_flows(self) -> CodeFlows:
        """Log in once through its development pages; what comes after needs no page."""
        http = requests.Session()
        verifier, challenge = pkce()
        asked = {
            "client_id": "web",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid read",
            "state": "abcdefgh",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        path = f"/auth?{urlencode(asked)}"
        response = stay(http, self.url, http.get(self.url + path, allow_redirects=False, timeout=10))
        for form in ({"prompt": "login", "login": "alice", "password": "x"}, {"prompt": "consent"}):
            match = re.search(r'action="([^"]+)"', response.text)
            assert match, response.text[:500]
            submitted = http.post(match.group(1), data=form, allow_redirects=False, timeout=10)
            response = stay(http, self.url, submitted)
        assert "code=" in response.headers.get("Location", ""), response.text[:500]
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in http.cookies if cookie.path == "/")
        return CodeFlows(path, cookies, "/token", self.web, quote(CALLBACK, safe=""), verifier)
