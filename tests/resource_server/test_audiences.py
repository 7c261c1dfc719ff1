"""Whom a token is for, and what the services say of themselves (RFC 8707, RFC 9728)."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.resource_server.apis import SCOPES, Apis, Caller, problem, signed_anew

SERVICES = {"users": "/v1/users/me", "orders": "/v1/orders", "payments": "/v1/payments"}
ACT = {"act": {"sub": "svc-web"}}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_also_takes_tokens_for_itself_alone(apis: Apis, somebody: Caller, service: str) -> None:
    narrow = signed_anew(apis.idp, somebody.token, aud=f"{apis.url}/{service}", **ACT)
    for other, path in SERVICES.items():
        response = Caller(apis.url, narrow).get(path)
        if other == service:
            assert response.status_code in {200, 404}, "404: the person's record is still on its way"
        else:
            problem(response, 401, "invalid_token")


def test_such_a_token_is_for_services_and_what_they_do_for_others(
    apis: Apis, somebody: Caller, machine: Caller
) -> None:
    audience = f"{apis.url}/orders"
    assert Caller(apis.url, signed_anew(apis.idp, machine.token, aud=audience)).get("/v1/orders").status_code == 200
    persons = Caller(apis.url, signed_anew(apis.idp, somebody.token, aud=audience))
    problem(persons.get("/v1/orders"), 401, "invalid_token")


def acting(depth: int) -> dict[str, Any]:
    act: dict[str, Any] = {}
    for number in range(depth):
        act = {"act": {"sub": f"svc-{number}", **act}}
    return act


def test_a_chain_of_services_is_at_most_three_long(apis: Apis, somebody: Caller) -> None:
    for depth, status in ((3, 200), (4, 403)):
        chained = Caller(apis.url, signed_anew(apis.idp, somebody.token, **acting(depth)))
        assert chained.get("/v1/orders").status_code == status


def test_the_services_say_what_they_are(apis: Apis, somebody: Caller) -> None:
    where = somebody.get("/v1/none").headers.get("WWW-Authenticate", "")
    assert not where
    challenge = requests.get(f"{apis.url}/v1/orders", timeout=30).headers["WWW-Authenticate"]
    url = challenge.split('resource_metadata="')[1].split('"')[0]
    document = requests.get(url, timeout=30).json()
    whole = {"scopes_supported": sorted(SCOPES), "authorization_details_types_supported": ["payment_initiation"]}
    part = {"scopes_supported": [scope for scope in sorted(SCOPES) if scope.startswith("users:")]}
    assert document == {
        "resource": apis.url,
        "authorization_servers": [apis.idp.issuer],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "RS256", "PS256", "Ed25519", "EdDSA"],
        **(part if apis.at_root else whole),
    }, "a process speaks for what it is"
    part = requests.get(f"{url}/payments", timeout=30).json()
    assert (part["resource"], part["scopes_supported"]) == (
        f"{apis.url}/payments",
        ["payments:operate", "payments:read", "payments:refund", "payments:write", "webhooks:manage"],
    )
    problem(requests.get(f"{url}/none", timeout=30), 404, "not_found")
