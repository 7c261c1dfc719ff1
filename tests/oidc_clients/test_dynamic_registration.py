"""Dynamic client registration (RFC 7591): what strangers get when they register, what they cannot get, and how often."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
import requests
from joserfc import jwk

from tests.oidc_clients.registering import CALLBACK, audited, post, refusal, registered
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp

OWN = {"registration_client_uri", "registration_access_token", "client_id", "client_id_issued_at"}
PUBLIC_KEY = jwk.ECKey.generate_key("P-256").as_dict(private=False)


def test_a_registered_client_logs_people_in(registry: RunningIdp) -> None:
    answer = post(registry.url, {"redirect_uris": [CALLBACK], "client_name": "Self-made"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")
    assert "no-store" in answer.headers["Cache-Control"]
    document = answer.json()
    assert document["client_secret_expires_at"] == 0
    assert document["registration_client_uri"].startswith(f"{registry.issuer}/oauth/register")
    app = App(registry.url, document)
    tokens = app.tokens(Browser(registry.url), "alice", scope="openid email")
    assert app.userinfo(tokens["access_token"]).json()["email"] == "alice@example.com"


def test_everything_that_was_registered_is_told(registry: RunningIdp) -> None:
    asked = {
        "redirect_uris": [CALLBACK, "https://app.test/other?x=1"],
        "post_logout_redirect_uris": ["https://app.test/"],
        "client_name": "Shop",
        "client_name#ja-Jpan-JP": "店",
        "client_uri": "https://app.test",
        "logo_uri": "https://app.test/logo.png",
        "logo_uri#de": "https://app.test/logo-de.png",
        "policy_uri": "https://app.test/policy",
        "tos_uri": "https://app.test/tos",
        "contacts": ["ops@app.test"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
        "application_type": "web",
        "default_max_age": 3600,
        "id_token_signed_response_alg": "ES256",
        "jwks": {"keys": [PUBLIC_KEY]},
        "software_id": "shop",
        "software_version": "2",
        "scope": "openid email",
    }
    document = registered(registry.url, **asked).document
    assert asked.items() <= document.items()
    assert document.keys() == asked.keys() | OWN | {"client_secret", "client_secret_expires_at"}


def test_what_is_not_said_gets_the_defaults_of_the_specification(registry: RunningIdp) -> None:
    document = registered(registry.url).document
    assert document["grant_types"] == ["authorization_code"]
    assert document["response_types"] == ["code"]
    assert document["token_endpoint_auth_method"] == "client_secret_basic"
    assert document["application_type"] == "web"
    assert document["scope"] == "openid profile email address phone"


def test_a_public_client_has_no_secret(registry: RunningIdp) -> None:
    document = registered(registry.url, token_endpoint_auth_method="none").document
    assert not {"client_secret", "client_secret_expires_at"} & document.keys()


def test_null_and_unknown_members_are_left_out(registry: RunningIdp) -> None:
    sent = {"client_name": None, "logo_uri": "", "jwks": None, "made_up": {"deep": [None]}, "client_name#": "x"}
    text = post(registry.url, {"redirect_uris": [CALLBACK], **sent}).text
    assert not any(name in text for name in ("null", *sent))


OPERATORS: list[dict[str, Any]] = [
    {"client_id": "chosen"},
    {"client_secret": "s" * 40},
    {"security_profile": "oauth21"},
    {"consent": "trusted"},
    {"audience": ["https://api.test"]},
    {"introspects": ["https://api.test"]},
    {"disabled": True},
]


@pytest.mark.parametrize("wish", OPERATORS, ids=lambda wish: next(iter(wish)))
def test_what_operators_decide_is_out_of_reach(registry: RunningIdp, wish: dict[str, Any]) -> None:
    client = registered(registry.url, **wish)
    (name, value), *_ = wish.items()
    assert client.document.get(name) != value
    assert client.put(redirect_uris=[CALLBACK], **{**wish, "client_id": client.client_id}).json().get(name) != value
    shown = registry.cli("client", "show", client.client_id)
    assert (shown["security_profile"], shown["consent"], shown["disabled"]) == ("oidc", "ask", False)
    assert not {"audience", "introspects"} & shown.keys()


def test_the_scope_is_narrowed_to_what_strangers_may_have(registry: RunningIdp) -> None:
    assert registered(registry.url, scope="email openid admin").document["scope"] == "email openid"
    lasting = registered(registry.url, grant_types=["authorization_code", "refresh_token"]).document
    assert "offline_access" in lasting["scope"]
    answer = post(registry.url, {"redirect_uris": [CALLBACK], "scope": "admin"})
    assert refusal(answer) == "invalid_client_metadata"


BAD_REDIRECTS: list[Any] = [
    [],
    "https://app.test/cb",
    ["https://app.test/cb#fragment"],
    ["http://app.test/cb"],
    ["javascript:alert(1)"],
    ["https://app.test/cb", "data:text/html,x"],
]


@pytest.mark.parametrize("uris", BAD_REDIRECTS, ids=str)
def test_a_redirect_uri_that_cannot_be_safe_is_refused(registry: RunningIdp, uris: Any) -> None:
    """oidcc-redirect-uri-regfrag among others."""
    assert refusal(post(registry.url, {"redirect_uris": uris})) == "invalid_redirect_uri"


BAD: list[dict[str, Any]] = [
    {"grant_types": ["password"]},
    {"grant_types": ["authorization_code", "client_credentials"]},
    {"response_types": ["nothing"]},
    {"token_endpoint_auth_method": "client_secret_jwt"},
    {"token_endpoint_auth_method": "private_key_jwt"},
    {"jwks": {"keys": []}},
    {"jwks": {"keys": [PUBLIC_KEY]}, "jwks_uri": "https://app.test/jwks"},
    {"id_token_signed_response_alg": "none"},
    {"id_token_signed_response_alg": "HS256"},
    {"logo_uri": "javascript:alert(1)"},
    {"client_name": "a\nb"},
    {"client_name": 'say "hello" \\ é' * 20},
    {"contacts": "me"},
    {"default_max_age": "1"},
    {"scope": ["openid"]},
    {"software_statement": "a.b.c"},
]


@pytest.mark.parametrize("change", BAD, ids=lambda change: json.dumps(change)[:40])
def test_what_cannot_be_honoured_is_refused(registry: RunningIdp, change: dict[str, Any]) -> None:
    code = refusal(post(registry.url, {"redirect_uris": [CALLBACK], **change}))
    assert code == ("invalid_software_statement" if "software_statement" in change else "invalid_client_metadata")


BODIES: list[tuple[bytes, str]] = [
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"[]", "application/json"),
    (b'"x"', "application/json"),
    (b"\xff\xfe", "application/json"),
    (b'{"redirect_uris": ["https://app.test/cb"], "redirect_uris": []}', "application/json"),
    (b"[" * 5000, "application/json"),
    (json.dumps({"redirect_uris": [CALLBACK]}).encode(), "application/x-www-form-urlencoded"),
    (json.dumps({"redirect_uris": [CALLBACK]}).encode(), "text/plain"),
]


@pytest.mark.parametrize(("body", "media_type"), BODIES, ids=range(len(BODIES)))
def test_what_is_no_json_object_is_refused(registry: RunningIdp, body: bytes, media_type: str) -> None:
    answer = post(registry.url, data=body, headers={"Content-Type": media_type})
    assert refusal(answer) == "invalid_client_metadata"


def test_a_body_that_is_too_large_is_refused(registry: RunningIdp) -> None:
    assert post(registry.url, {"redirect_uris": [CALLBACK], "contacts": ["x" * 70_000]}).status_code == 413


def test_it_is_announced_where_it_is_switched_on_and_nowhere_else(registry: RunningIdp) -> None:
    closed = registry.node(registration="closed")
    for path in ("openid-configuration", "oauth-authorization-server"):
        document = requests.get(f"{registry.url}/.well-known/{path}").json()
        assert document["registration_endpoint"] == f"{registry.issuer}/oauth/register"
        assert "registration_endpoint" not in requests.get(f"{closed}/.well-known/{path}").json()
    assert requests.get(f"{closed}/oauth/register").status_code == 404


def test_apps_in_browsers_may_register(registry: RunningIdp) -> None:
    headers = {"Origin": "https://spa.test", "Access-Control-Request-Method": "POST"}
    preflight = requests.options(f"{registry.url}/oauth/register", headers=headers)
    assert preflight.status_code == 204
    assert {"DELETE", "GET", "POST", "PUT"} <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    assert post(registry.url, {}).headers["Access-Control-Allow-Origin"] == "*"


def test_an_address_may_register_so_often_an_hour(registry: RunningIdp) -> None:
    base = registry.node(registration_max="100000", trusted_proxies="127.0.0.0/8")
    strict = registry.node(registration_max="2", trusted_proxies="127.0.0.0/8")
    peer = {"X-Forwarded-For": f"2001:db8::{secrets.token_hex(2)}"}
    statuses = [post(strict, {"redirect_uris": [CALLBACK]}, headers=peer).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
    limited = post(strict, {"redirect_uris": []}, headers=peer)
    assert (limited.status_code, limited.headers["Retry-After"].isdigit()) == (429, True)
    assert post(base, {"redirect_uris": [CALLBACK]}, headers=peer).status_code == 201
    other = {"X-Forwarded-For": f"2001:db8::{secrets.token_hex(2)}"}
    assert post(strict, {"redirect_uris": [CALLBACK]}, headers=other).status_code == 201


def test_registering_is_audited(registry: RunningIdp) -> None:
    client = registered(registry.url)
    (entry,) = audited(registry, client.client_id)
    assert (entry["event"], entry["peer"]) == ("client.created", "127.0.0.1")
    assert client.token not in registry.logs()
