"""Apps that others' libraries make, against a running provider."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop.person import Person
from tests.support import node
from tests.support.ports import free_port
from tests.support.running import RunningIdp

APPS = Path(__file__).parent / "apps"
PACKAGES = (
    "openid-client@6",
    "oauth4webapi@3",
    "express@5",
    "express-session@1",
    "passport@0.7",
    "passport-openidconnect@0.1",
)
StartApp = Callable[..., str]


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return node.packages(tmp_path_factory.mktemp("npm"), *PACKAGES)


@pytest.fixture
def somebody() -> Person:
    return Person()


@pytest.fixture
def python_app(idp: RunningIdp, tmp_path: Path) -> Iterator[StartApp]:
    """Starts one of the Python apps for a client of its own; returns its address."""
    with ExitStack() as running:

        def start(name: str, callback: str, method: str, **given: Any) -> str:
            port = free_port()
            client = web_client(idp, f"http://127.0.0.1:{port}{callback}", token_endpoint_auth_method=method)
            configuration = {"issuer": idp.issuer, "metadata": client, "port": port, **given}
            log = running.enter_context((tmp_path / f"{name}.log").open("w+"))
            process = subprocess.Popen(
                [sys.executable, APPS / f"{name}.py", json.dumps(configuration)], stdout=subprocess.PIPE, stderr=log
            )
            running.callback(process.wait)
            running.callback(process.kill)
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (tmp_path / f"{name}.log").read_text()[-3000:]
            url: str = json.loads(line)["url"]
            return url

        yield start


def web_client(idp: RunningIdp, callback: str, **metadata: Any) -> dict[str, Any]:
    """A classic OpenID Connect client: what such libraries were written for."""
    origin = callback[: callback.index("/", len("http://"))]
    return idp.client(
        redirect_uris=[callback],
        post_logout_redirect_uris=[f"{origin}/me"],
        **{"security_profile": "oidc", "scope": "openid profile email", **metadata},
    )
