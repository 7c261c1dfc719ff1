"""Payments need more than a scope: a fresh login from a set sum on (RFC 9470), and no more than a person allowed in detail (RFC 9396)."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import requests

from idp.cli import demo_payments
from tests.delegation.support import TOKEN_EXCHANGE, Service
from tests.resource_server.apis import Apis, Caller, problem, serve, signed_anew
from tests.support.flows import App, Browser, claims
from tests.support.ports import free_port

SCOPE = "openid offline_access payments:read payments:write"
MUCH = {"amount": "1000.00", "currency": "EUR"}


def pay(caller: Caller, amount: str = "12.34", currency: str = "EUR", **headers: str) -> requests.Response:
    return caller.post("/v1/payments", {"amount": amount, "currency": currency}, **headers)


# -- step-up ----------------------------------------------------------------------------------------------------------


def logged_in_before(apis: Apis, caller: Caller, seconds: int, **changes: Any) -> Caller:
    """The caller by a token that tells of a login so many seconds ago."""
    token = signed_anew(apis.idp, caller.token, auth_time=int(time.time()) - seconds, **changes)
    return Caller(apis.url, token)


def test_a_large_sum_needs_a_fresh_login_and_the_challenge_says_how_fresh(apis: Apis, somebody: Caller) -> None:
    stale = logged_in_before(apis, somebody, 400)
    response = stale.post("/v1/payments", MUCH)
    problem(response, 401, "insufficient_user_authentication")
    challenge = response.headers["WWW-Authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="300"' in challenge
    assert "acr_values" not in challenge
    assert pay(stale, "999.99").status_code == 201
    assert logged_in_before(apis, somebody, 200).post("/v1/payments", MUCH).status_code == 201
    assert somebody.post("/v1/payments", MUCH).status_code == 201


def test_the_refused_attempt_made_nothing_and_its_key_is_still_good(apis: Apis) -> None:
    caller = apis.person()
    key = {"Idempotency-Key": "the large one"}
    assert logged_in_before(apis, caller, 400).post("/v1/payments", MUCH, **key).status_code == 401
    assert caller.get("/v1/payments").json()["total"] == 0
    assert caller.post("/v1/payments", MUCH, **key).status_code == 201
    assert caller.get("/v1/payments").json()["total"] == 1


def test_a_service_has_nobody_to_send_to_a_login(machine: Caller) -> None:
    assert machine.post("/v1/payments", MUCH).status_code == 201


def test_the_sum_the_age_and_the_level_are_settings(apis: Apis, somebody: Caller) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    asked = {"RS_STEP_UP_FROM": "500", "RS_STEP_UP_MAX_AGE": "60", "RS_STEP_UP_ACR": "2fa, phr"}
    process = serve(apis.idp, apis.idp.folder, url, RS_AUDIENCE=apis.url, **asked)
    try:
        caller = Caller(url, somebody.token)
        challenge = pay(caller, "5.00").headers["WWW-Authenticate"]
        assert 'acr_values="2fa phr"' in challenge
        assert 'max_age="60"' in challenge
        assert pay(caller, "4.99").status_code == 201
        for acr, age, status in (("2fa", 0, 201), ("phr", 0, 201), ("2fa", 90, 401), ("1fa", 0, 401)):
            token = logged_in_before(apis, somebody, age, acr=acr).token
            assert pay(Caller(url, token), "5.00").status_code == status
    finally:
        process.stop()


# -- authorization details --------------------------------------------------------------------------------------------


class Payer(App):
    """An app that asks for single payments."""

    def asked(self, apis: Apis, *entries: dict[str, Any], name: str | None = None) -> dict[str, Any]:
        """The token response of a login that asked for these."""
        person, details = name or apis.new_person(), json.dumps(entries)
        return self.tokens(Browser(apis.idp.url), person, scope=SCOPE, authorization_details=details)


@pytest.fixture(scope="module")
def payer(apis: Apis) -> Payer:
    if not apis.at_root:  # apart, orders are given tokens for payments already
        options = [word for name in ("payments:read", "payments:write") for word in ("--scope", f"{name}=Do {name}")]
        apis.idp.cli("resource", "create", f"{apis.url}/payments", *options)
    apis.idp.cli(
        *("details-type", "create", demo_payments.TYPE, "--schema", "-", "--name", demo_payments.NAME, "--once"),
        *("--resource", apis.url, "--resource", f"{apis.url}/payments", "--maximum", demo_payments.MAXIMUM),
        stdin=json.dumps(demo_payments.SCHEMA),
    )
    return Payer(
        apis.idp.url,
        apis.idp.client(
            redirect_uris=["https://payer.test/cb"],
            grant_types=["authorization_code", "refresh_token"],
            audience=[apis.url],
            authorization_details_types=[demo_payments.TYPE],
        ),
    )


def entry(apis: Apis, value: int = 1234, currency: str = "EUR", **members: Any) -> dict[str, Any]:
    amount = {"value": value, "currency": currency}
    made = {"type": demo_payments.TYPE, "actions": ["create"], "locations": [apis.url], "instructed_amount": amount}
    return {**made, **members}


def refused(response: requests.Response) -> bool:
    problem(response, 403, "insufficient_authorization_details")
    return True


def test_what_was_allowed_in_detail_is_paid_exactly_and_once(apis: Apis, payer: Payer) -> None:
    caller = Caller(apis.url, payer.asked(apis, entry(apis))["access_token"])
    for amount, currency in (("12.35", "EUR"), ("12.33", "EUR"), ("12.34", "USD"), ("1234", "JPY")):
        assert refused(pay(caller, amount, currency))
    order = {"amount": "12.34", "currency": "EUR", "order": "ord_" + "0" * 26}
    assert pay(caller).status_code == 201
    assert refused(pay(caller))
    assert refused(caller.post("/v1/payments", order))
    assert caller.get("/v1/payments").json()["total"] == 1


def test_the_same_key_still_gets_the_first_answer(apis: Apis, payer: Payer) -> None:
    caller = Caller(apis.url, payer.asked(apis, entry(apis))["access_token"])
    first = pay(caller, **{"Idempotency-Key": "one"})
    again = pay(caller, **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert refused(pay(caller, **{"Idempotency-Key": "two"}))


def test_a_detail_that_names_an_order_pays_that_order(apis: Apis, payer: Payer) -> None:
    ours, other = "ord_" + "a" * 26, "ord_" + "b" * 26
    caller = Caller(apis.url, payer.asked(apis, entry(apis, order=ours))["access_token"])
    document = {"amount": "12.34", "currency": "EUR"}
    assert refused(caller.post("/v1/payments", document))
    assert refused(caller.post("/v1/payments", {**document, "order": other}))
    assert caller.post("/v1/payments", {**document, "order": ours}).status_code == 201


def test_two_that_were_allowed_are_two_payments_and_not_three(apis: Apis, payer: Payer) -> None:
    tokens = payer.asked(apis, entry(apis), entry(apis), entry(apis, 500))
    caller = Caller(apis.url, tokens["access_token"])
    assert len({one["authorization_id"] for one in tokens["authorization_details"]}) == 3
    assert pay(caller, "5.00").status_code == 201
    assert refused(pay(caller, "5.00"))


def test_no_other_token_of_the_grant_pays_it_again(apis: Apis, payer: Payer) -> None:
    """Neither a refreshed one, nor a narrowed one, nor one that a service got in exchange."""
    both = [apis.url, f"{apis.url}/payments"]
    tokens = payer.asked(apis, entry(apis, locations=both))
    assert pay(Caller(apis.url, tokens["access_token"])).status_code == 201
    refreshed = payer.refresh(tokens["refresh_token"]).json()
    assert refreshed["authorization_details"] == tokens["authorization_details"]
    assert refused(pay(Caller(apis.url, refreshed["access_token"])))
    less = json.dumps([entry(apis, 700, locations=[apis.url])])
    narrowed = payer.refresh(refreshed["refresh_token"], authorization_details=less).json()
    assert refused(pay(Caller(apis.url, narrowed["access_token"]), "7.00"))
    service = Service(apis.idp.url, apis.idp.client(grant_types=[TOKEN_EXCHANGE]))
    service.allow(apis.idp, "--scope", "payments:write", audience=both[1])
    exchanged = service.exchanged(tokens["access_token"], audience=both[1])
    assert exchanged["authorization_details"] == tokens["authorization_details"]
    assert refused(pay(Caller(apis.url, exchanged["token"])))


def test_a_service_pays_in_exchange_what_was_narrowed_to_its_sum(apis: Apis, payer: Payer) -> None:
    both = [apis.url, f"{apis.url}/payments"]
    tokens = payer.asked(apis, entry(apis, locations=both))
    service = Service(apis.idp.url, apis.idp.client(grant_types=[TOKEN_EXCHANGE]))
    service.allow(apis.idp, "--scope", "payments:write", audience=both[1])
    less = json.dumps([entry(apis, 700, locations=both)])
    exchanged = service.exchanged(tokens["access_token"], audience=both[1], authorization_details=less)
    caller = Caller(apis.url, exchanged["token"])
    assert refused(pay(caller))
    assert pay(caller, "7.00").status_code == 201
    assert refused(pay(Caller(apis.url, tokens["access_token"])))


def test_an_id_is_the_issuers_to_give(apis: Apis, payer: Payer) -> None:
    details = json.dumps([entry(apis, authorization_id="mine")])
    url, _ = payer.authorize_url(scope=SCOPE, prompt="none", authorization_details=details)
    assert "error=invalid_authorization_details" in Browser(apis.idp.url).open(url).headers["Location"]
    tokens = payer.asked(apis, entry(apis))
    for one in ("", "another", claims(tokens["access_token"])["jti"]):
        other = json.dumps([entry(apis, authorization_id=one)])
        response = payer.refresh(tokens["refresh_token"], authorization_details=other)
        assert response.json()["error"] == "invalid_authorization_details"


def test_of_many_at_once_one_is_paid(apis: Apis, payer: Payer) -> None:
    caller = Caller(apis.url, payer.asked(apis, entry(apis))["access_token"])
    barrier = Barrier(12)

    def at_once(_number: int) -> int:
        barrier.wait(30)
        return pay(caller).status_code

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(at_once, range(12))) == [201] + [403] * 11
    assert caller.get("/v1/payments").json()["total"] == 1


def test_the_api_says_what_it_takes_in_detail(apis: Apis) -> None:
    document = requests.get(f"{apis.url}/.well-known/oauth-protected-resource/payments", timeout=10).json()
    assert document["authorization_details_types_supported"] == [demo_payments.TYPE]
