"""Discovery, keys and what browsers of other origins may do."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from idp.app import protocol_routes
from idp.opening import master_key
from idp.settings_source import load
from idp.wiring import build
from tests.support.flows import App
from tests.support.running import RunningIdp

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


def test_discovery_announces_what_is_mounted_and_nothing_else(idp: RunningIdp) -> None:
    house = build(load(idp.environ), master_key(load(idp.environ)))
    paths = {route.path for route in protocol_routes(house)} | {"/oauth/authorize", "/oauth/logout"}
    document = requests.get(f"{idp.url}{OPENID}").json()
    announced = {url.removeprefix(idp.issuer) for name, url in document.items() if name.endswith(("_endpoint", "_uri"))}
    lists = {path for path in paths if path.startswith("/oauth/status")}
    assert announced == {path for path in paths if path.startswith("/oauth/")} - lists
    for path in announced:
        assert requests.get(f"{idp.url}{path}").status_code != 404
    for path in (
        "/oauth/par",
        "/oauth/register",
        "/oauth/device_authorization",
        "/device",
        "/admin",
        "/metrics",
    ):
        assert requests.get(f"{idp.url}{path}").status_code == 404


@pytest.mark.parametrize("path", ["/oauth/par", "/oauth/register", "/.well-known/nothing"])
@pytest.mark.parametrize(
    "sent", [{}, {"data": {"a": "b"}}, {"json": {"redirect_uris": []}}], ids=["nothing", "form", "json"]
)
def test_an_endpoint_that_is_not_there_says_so_to_programs(idp: RunningIdp, path: str, sent: dict[str, Any]) -> None:
    response = requests.post(f"{idp.url}{path}", **sent)
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/json")
    assert response.json() == {"error": "not_found", "error_description": "There is no such endpoint"}
    assert response.headers["X-Request-Id"]
    page = requests.post(f"{idp.url}/nothing", **sent)
    assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_both_documents_tell_the_same(idp: RunningIdp) -> None:
    openid, oauth = (requests.get(f"{idp.url}{path}") for path in (OPENID, OAUTH))
    assert {openid.headers["Content-Type"], oauth.headers["Content-Type"]} == {"application/json"}
    shared = openid.json().keys() & oauth.json().keys()
    assert all(openid.json()[name] == oauth.json()[name] for name in shared)
    assert openid.json()["issuer"] == idp.issuer
    assert openid.json()["code_challenge_methods_supported"] == ["S256"]
    assert openid.json()["authorization_response_iss_parameter_supported"] is True
    assert "RS256" in openid.json()["id_token_signing_alg_values_supported"]


def test_what_only_a_draft_defines_stands_in_the_rfc_8414_document_alone(idp: RunningIdp) -> None:
    openid, oauth = (requests.get(f"{idp.url}{path}").json() for path in (OPENID, OAUTH))
    assert oauth["status_list_aggregation_endpoint"] == f"{idp.issuer}/oauth/status"
    assert not [name for name in openid if name.startswith("status_list")]


@pytest.mark.parametrize("path", [OPENID, OAUTH, "/oauth/jwks"])
def test_documents_are_cacheable(idp: RunningIdp, path: str) -> None:
    first = requests.get(f"{idp.url}{path}")
    assert "max-age=300" in first.headers["Cache-Control"]
    again = requests.get(f"{idp.url}{path}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert requests.head(f"{idp.url}{path}").status_code == 200


def test_the_jwks_shows_public_members_only(idp: RunningIdp) -> None:
    keys = requests.get(f"{idp.url}/oauth/jwks").json()["keys"]
    assert {key["alg"] for key in keys} >= {"ES256", "RS256"}
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert key.keys() <= {"kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"}


@pytest.mark.parametrize("path", [OPENID, OAUTH, "/oauth/jwks", "/oauth/token", "/oauth/userinfo", "/oauth/revoke"])
def test_browsers_of_other_origins_may_call(idp: RunningIdp, path: str) -> None:
    preflight = requests.options(
        f"{idp.url}{path}",
        headers={
            "Origin": "https://spa.test",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    for answer in (preflight, requests.get(f"{idp.url}{path}", headers={"Origin": "https://spa.test"})):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/oauth/introspect", "/login", "/oauth/authorize", "/"])
def test_everything_else_is_closed_to_other_origins(idp: RunningIdp, path: str) -> None:
    assert (
        "Access-Control-Allow-Origin"
        not in requests.get(f"{idp.url}{path}", headers={"Origin": "https://spa.test"}).headers
    )


def test_an_issuer_may_have_a_path(tmp_path_factory: pytest.TempPathFactory, service: App) -> None:
    with RunningIdp(tmp_path_factory.mktemp("path")) as plain:
        plain.environ["IDP_ISSUER"] = f"{plain.url}/tenant"
        plain.nodes.pop().stop()
        command = plain.environ
        assert command["IDP_ISSUER"].endswith("/tenant")
        from tests.support.running import BIN, Process

        log = plain.folder / "path.log"
        ready = f"{plain.url}/tenant/readyz"
        plain.nodes.append(
            Process([str(BIN / "idp"), "serve", "--port", str(plain.port), "--workers", "1"], command, log, ready)
        )
        openid = requests.get(f"{plain.url}/tenant{OPENID}").json()
        assert openid["issuer"] == f"{plain.url}/tenant"
        assert requests.get(openid["jwks_uri"]).status_code == 200
        assert requests.get(f"{plain.url}{OAUTH}/tenant").json()["issuer"] == openid["issuer"]
        login = requests.get(f"{plain.url}/tenant/login")
        assert f'action="{plain.url}/tenant/login"' in login.text
        assert requests.get(f"{plain.url}/tenant/static/style.css").status_code == 200
