"""Every guarded example is run as it stands, against a real identity provider."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.flows import App
from tests.support.ports import free_port
from tests.support.running import Process, RunningIdp, clean_environment

EXAMPLES = Path(__file__).parents[2] / "examples"
METADATA = "/.well-known/oauth-protected-resource"
HTTP = {name: EXAMPLES / name / "app.py" for name in ("guarded_flask", "guarded_asgi")}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    with RunningIdp(tmp_path_factory.mktemp("idp")) as running:
        yield running


def register(provider: RunningIdp, audience: str) -> tuple[App, dict[str, str]]:
    """An API of this name and a service that may use it."""
    scopes = [word for name in ("payments:read", "payments:write") for word in ("--scope", f"{name}=Do {name}")]
    provider.cli("resource", "create", audience, *scopes)
    app = App(provider.url, provider.client(grant_types=["client_credentials"], audience=[audience]))
    return app, {**clean_environment(), "ISSUER": provider.issuer, "AUDIENCE": audience}


def authorization(app: App, scope: str) -> dict[str, str]:
    answer = app.post("/oauth/token", grant_type="client_credentials", scope=scope).json()
    return {"Authorization": f"Bearer {answer['access_token']}"}


@pytest.mark.parametrize("script", HTTP.values(), ids=list(HTTP))
def test_an_api_is_guarded(provider: RunningIdp, script: Path, tmp_path: Path) -> None:
    port = free_port()
    audience = f"http://127.0.0.1:{port}"
    app, environ = register(provider, audience)
    environ["PORT"] = str(port)
    process = Process([sys.executable, str(script)], environ, tmp_path / "log", f"{audience}{METADATA}")
    try:
        url = f"{audience}/payments"
        challenge = requests.get(url, timeout=30).headers["WWW-Authenticate"]
        assert f'resource_metadata="{audience}{METADATA}"' in challenge
        document = requests.get(f"{audience}{METADATA}", timeout=30).json()
        assert (document["resource"], document["authorization_servers"]) == (audience, [provider.issuer])
        good = requests.get(url, headers=authorization(app, "payments:read"), timeout=30)
        assert (good.status_code, good.json()) == (200, {"payments_of": app.client_id})
        missing = requests.get(url, headers=authorization(app, "payments:write"), timeout=30)
        assert missing.status_code == 403
    finally:
        process.stop()


def test_payments_of_the_flask_example_need_a_stronger_login_for_more(provider: RunningIdp, tmp_path: Path) -> None:
    port = free_port()
    audience = f"http://127.0.0.1:{port}"
    app, environ = register(provider, audience)
    environ["PORT"] = str(port)
    process = Process([sys.executable, str(HTTP["guarded_flask"])], environ, tmp_path / "log", f"{audience}{METADATA}")
    try:
        headers = authorization(app, "payments:write")
        little = requests.post(f"{audience}/payments", json={"cents": 999}, headers=headers, timeout=30)
        assert (little.status_code, little.json()["paid"]) == (201, 999)
        much = requests.post(f"{audience}/payments", json={"cents": 100_000}, headers=headers, timeout=30)
        assert much.status_code == 401
        assert 'acr_values="2fa phr", max_age="300"' in much.headers["WWW-Authenticate"]
        assert (
            'token_guard_requests_total{outcome="refused",check="step_up"} 1'
            in requests.get(f"{audience}/metrics", timeout=30).text
        )
    finally:
        process.stop()
