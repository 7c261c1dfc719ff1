"""Relying parties that npm's libraries make: login, userinfo, refresh, revocation, logout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import APPS, web_client
from tests.interop.person import Person
from tests.support import node
from tests.support.ports import free_port
from tests.support.running import RunningIdp

CALLBACK = "https://app.test/callback"
SCOPE = "openid profile email offline_access"


@pytest.mark.parametrize("profile", ["oauth21", "oidc"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_openid_client(npm: Path, idp: RunningIdp, somebody: Person, method: str, profile: str) -> None:
    client = web_client(
        idp,
        CALLBACK,
        token_endpoint_auth_method=method,
        security_profile=profile,
        grant_types=["authorization_code", "refresh_token"],
        scope=SCOPE,
    )
    given = {"issuer": idp.issuer, "metadata": client, "redirect_uri": CALLBACK, "scope": SCOPE}
    with node.Script(npm, APPS / "openid_client.mjs", **given) as script:
        answer = somebody.visit(script.ask()["url"], until=CALLBACK)
        result = script.ask(answer.headers["Location"])
    assert result["person"]["sub"] == result["claims"]["sub"]
    assert result["person"]["given_name"] == "Alice"
    assert result["again"]["id_token"]
    assert result["revoked"] == "invalid_grant"
    goodbye = somebody.visit(result["logout"], until=client["post_logout_redirect_uris"][0])
    assert goodbye.headers["Location"] == client["post_logout_redirect_uris"][0]
    assert "logout" not in somebody.asked


def test_oauth4webapi(npm: Path, idp: RunningIdp, somebody: Person) -> None:
    client = web_client(
        idp,
        CALLBACK,
        security_profile="oauth21",
        grant_types=["authorization_code", "refresh_token"],
        scope=SCOPE,
    )
    given = {"issuer": idp.issuer, "metadata": client, "redirect_uri": CALLBACK, "scope": SCOPE}
    with node.Script(npm, APPS / "oauth4webapi.mjs", **given) as script:
        answer = somebody.visit(script.ask()["url"], until=CALLBACK)
        result = script.ask(answer.headers["Location"])
    assert result["person"]["email"] == "alice@example.com"
    assert result["introspection"]["active"] is True
    assert result["introspection"]["sub"] == result["claims"]["sub"]


def test_passport(npm: Path, idp: RunningIdp, somebody: Person) -> None:
    port = free_port()
    client = web_client(idp, f"http://127.0.0.1:{port}/callback", token_endpoint_auth_method="client_secret_post")
    with node.Script(npm, APPS / "passport.mjs", issuer=idp.issuer, metadata=client, port=port) as script:
        app = script.ask()["url"]
        me = somebody.visit(f"{app}/login").json()
        assert me["name"]["givenName"] == "Alice"
        assert somebody.asked == ["login", "consent"]
        assert somebody.visit(f"{app}/logout").json() is None
        assert somebody.asked[2:] == ["logout"]
