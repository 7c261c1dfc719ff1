"""Details that cannot be honoured are refused as `invalid_authorization_details` (RFC 9396 §5): malformed, unknown, misplaced, too much."""

from __future__ import annotations

import json
from typing import Any

import pytest

from idp.oauth.details.entries import MAX_DEPTH, MAX_ENTRIES, MAX_LENGTH, MAX_TEXT
from tests.conftest import API
from tests.delegation.payments import PAYMENT, Payer, details, payment
from tests.delegation.support import USERS, eventually
from tests.support.flows import App, Browser, answer_of
from tests.support.running import RunningIdp


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = {"in": value}
    return value


REFUSED = {
    "no JSON": "{",
    "a string": '"payment_initiation"',
    "an object": details(payment())[1:-1],
    "nothing": "[]",
    "null": "null",
    "a list of strings": '["payment_initiation"]',
    "a list in a list": "[[]]",
    "no type": details(payment(type=None)),
    "a type that is no string": details(payment(type=7)),
    "an unknown type": details({"type": "unheard-of"}),
    "one unknown type among others": details(payment(), {"type": "unheard-of"}),
    "a member its schema does not know": details(payment(more="x")),
    "a missing member": details(payment(instructed_amount=None)),
    "an amount of nothing": details(payment(0)),
    "an amount below nothing": details(payment(-1)),
    "an amount in words": details(payment("1234")),
    "an amount with a fraction": details(payment(12.5)),
    "an amount that is true": details(payment(True)),
    "an amount beyond what is exact": details(payment(2**53)),
    "an amount beyond a float": "[" + json.dumps(payment(1)).replace('"value": 1', '"value": 1e999') + "]",
    "an amount that is none": "[" + json.dumps(payment(1)).replace('"value": 1', '"value": NaN') + "]",
    "an action its schema does not know": details(payment(actions=["steal"])),
    "actions that are no list": details(payment(actions="create")),
    "an empty list of locations": details(payment(locations=[])),
    "a location that is no string": details(payment(locations=[1])),
    "a location that is not the type's": details(payment(locations=[API, "https://elsewhere.test"])),
    "a location the request is not for": details(payment(locations=[USERS])),
    "a repeated member": '[{"type":"payment_initiation","type":"payment_initiation"}]',
    "a lone surrogate": '[{"type":"payment_initiation","creditor":"\\ud800"}]',
    "a NUL": '[{"type":"payment_initiation","creditor":"\\u0000"}]',
    "a new line": details(payment(creditor="Bob\nEve")),
    "text that turns around": details(payment(creditor="Bob\u202eEve")),
    "a long text": details(payment(creditor="b" * (MAX_TEXT + 1))),
    "a deep value": details(payment(creditor=nested(MAX_DEPTH))),
    "a very deep value": "[" * 500 + "]" * 500,
    "too many": details(*[payment()] * (MAX_ENTRIES + 1)),
    "too much": details(*[payment(creditor="b" * 500)] * 8)[: MAX_LENGTH + 1],
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_a_request_with_bad_details_goes_back_to_the_app(payer: Payer, browser: Browser, sent: str) -> None:
    url, _ = payer.authorize_url(scope="openid read", resource=API, authorization_details=sent, state="the state")
    answer = answer_of(browser.open(url))
    assert (answer["error"], answer["state"]) == ("invalid_authorization_details", "the state")
    assert answer["error_description"].isascii()
    assert not set(answer["error_description"]) & set("\"'\\")


def test_a_client_that_has_not_registered_the_type(web_app: App, payments: str, browser: Browser) -> None:
    url, _ = web_app.authorize_url(scope="openid read", authorization_details=details(payment()))
    assert answer_of(browser.open(url))["error"] == "invalid_authorization_details"


@pytest.mark.parametrize("sent", [value for value in REFUSED.values() if len(value) < MAX_LENGTH])
def test_bad_details_at_the_token_endpoint_consume_nothing(
    payer: Payer, browser: Browser, person: str, sent: str
) -> None:
    answer, verifier = payer.login(
        browser, person, scope="openid read offline_access", authorization_details=details(payment())
    )
    if sent == REFUSED["a location the request is not for"]:
        sent = details(payment(locations=[API, USERS]))
    refused = payer.redeem(answer["code"], verifier, authorization_details=sent)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    tokens = payer.redeem(answer["code"], verifier).json()
    refused = payer.refresh(tokens["refresh_token"], authorization_details=sent)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    assert payer.refresh(tokens["refresh_token"]).json()["authorization_details"] == [payment()]


def test_details_beside_a_grant_that_has_none(payer: Payer, browser: Browser, person: str) -> None:
    answer, verifier = payer.login(browser, person, scope="openid read offline_access")
    refused = payer.redeem(answer["code"], verifier, authorization_details=details(payment()))
    assert refused.json()["error"] == "invalid_authorization_details"


def test_a_type_that_is_taken_away_is_asked_and_told_no_more(idp: RunningIdp, browser: Browser, person: str) -> None:
    schema = json.dumps({"type": "object"})
    idp.cli("details-type", "create", "passing", "--schema", "-", "--name", "Passing", stdin=schema)
    app = Payer(
        idp.url,
        idp.client(
            redirect_uris=["https://app.test/cb"],
            grant_types=["authorization_code", "refresh_token"],
            audience=[API],
            authorization_details_types=["passing", PAYMENT],
        ),
    )
    tokens = app.granted(browser, person, {"type": "passing", "what": [1, {"deep": True}]})
    assert tokens["authorization_details"] == [{"type": "passing", "what": [1, {"deep": True}]}]
    idp.cli("details-type", "delete", "passing")

    def forgotten() -> bool:
        tokens.update({"authorization_details": None, **app.refresh(tokens["refresh_token"]).json()})
        return tokens["authorization_details"] is None

    eventually(forgotten)
    url, _ = app.authorize_url(scope="openid read", authorization_details=details({"type": "passing"}))
    assert answer_of(browser.open(url))["error"] == "invalid_authorization_details"
