"""Whatever stands in the parameters of an exchange or in authorization details: a standard refusal, nothing worse, and a sound server."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.delegation.payments import PAYMENT, Payer, payment
from tests.delegation.support import ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE, USERS, Service
from tests.fuzz.test_endpoints import HOSTILE
from tests.support.flows import Browser, answer_of
from tests.support.running import RunningIdp

ROUNDS = 150
FIELDS = (
    *("subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type", "audience"),
    *("resource", "scope", "authorization_details"),
)
REFUSALS = {
    *("invalid_request", "invalid_target", "invalid_scope", "invalid_authorization_details", "invalid_grant"),
    *("unsupported_grant_type", "unauthorized_client"),
}


def test_no_exchange_gives_more_than_a_refusal(idp: RunningIdp, orders: Service, token: str) -> None:
    some, own = random.Random("exchange"), orders.own_token()
    for _ in range(ROUNDS):
        fields = some.sample(FIELDS, some.randint(1, 3))
        values = (*HOSTILE, token, own, ACCESS_TOKEN, ID_TOKEN, json.dumps([payment()]))
        spoilt: dict[str, Any] = {
            name: some.choice([some.choice(values), [some.choice(values)] * 2]) for name in fields
        }
        sent = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": USERS, **spoilt}
        response = orders.post("/oauth/token", grant_type=TOKEN_EXCHANGE, **sent)
        document = response.json()
        assert response.status_code in (200, 400), (sent, response.text)
        if response.status_code == 400:
            assert document.keys() <= {"error", "error_description"}, sent
            assert document["error"] in REFUSALS, (sent, document)
        else:
            assert set(document["scope"].split()) <= {"read", "users:read"}, sent
    assert orders.exchange(token).status_code == 200
    assert "Traceback" not in idp.logs()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
entries = st.dictionaries(
    st.sampled_from(["type", "locations", "actions", "instructed_amount", "creditor", "identifier", "", "x"]),
    values | st.just(PAYMENT),
    max_size=5,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries | values, max_size=3) | values)
def test_no_details_give_more_than_a_refusal(payer: Payer, browser: Browser, sent: Any) -> None:
    url, _ = payer.authorize_url(scope="openid read", prompt="none", authorization_details=json.dumps(sent))
    answer = answer_of(browser.open(url))
    assert answer["error"] in ("invalid_authorization_details", "login_required")
    assert answer["error_description"].isascii()


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_no_text_in_their_place_does_either(payer: Payer, browser: Browser, text: str) -> None:
    response = browser.open(payer.authorize_url(scope="openid read", prompt="none", authorization_details=text)[0])
    if "Location" in response.headers:
        assert answer_of(response)["error"] == "invalid_authorization_details"
    else:
        assert response.status_code == 400, "control characters are refused before anybody is known"
