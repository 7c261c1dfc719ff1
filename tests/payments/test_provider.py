"""A provider that does everything wrong: declines, times out, charges all the same, calls back twice and late, fails in bursts."""

from __future__ import annotations

import json
import time

import pytest
import requests

from resource_server.platform import signatures
from resource_server.platform.signatures import SigningKey
from resource_server.simulator.magic import Magic
from tests.payments.paying import Till, accepted, euros, eventually, over, paid, shown, steps
from tests.resource_server.apis import PROVIDER_SECRET

CALLBACK = b'{"type":"charge.changed","data":{}}'


def test_a_declined_payment_fails_and_says_why(till: Till) -> None:
    operation = accepted(till.customer(), "/v2/payments", {"amount": euros(Magic.DECLINE)})
    done = over(till.customer(), operation)
    assert done["status"] == "failed"
    assert (done["error"]["code"], done["error"]["reason"]) == ("payment_declined", "insufficient_funds")
    payment = shown(till.customer(), operation)
    assert (payment["status"], payment["failure"]) == ("failed", "insufficient_funds")
    v1 = till.customer().post("/v1/payments", {"amount": "66.01", "currency": "EUR"})
    assert (v1.status_code, v1.json()["status"]) == (201, "failed")


@pytest.mark.parametrize(
    "magic",
    [
        Magic.TIME_OUT,
        Magic.TIME_OUT_BUT_CHARGED,
        Magic.FAILING_BURST,
        Magic.DOUBLE_CALLBACK,
        Magic.LATE_CALLBACK,
    ],
)
def test_whatever_the_provider_does_a_payment_is_charged_once(till: Till, magic: Magic) -> None:
    payment = paid(till.customer(), magic)
    assert payment["status"] == "succeeded"
    assert till.charged(payment)["captured"] == magic
    assert steps(till.customer(), payment).count("succeeded") == 1


@pytest.mark.parametrize(("passed", "status"), [(True, "succeeded"), (False, "failed")])
def test_the_payer_authenticates_at_their_bank(till: Till, passed: bool, status: str) -> None:
    operation = accepted(till.customer(), "/v2/payments", {"amount": euros(Magic.AUTHENTICATION)})
    waiting = eventually(
        lambda: shown(till.customer(), operation), lambda seen: seen["status"] == "requires_authentication"
    )
    assert not till.customer().get(f"/v2/operations/{operation['id']}").json()["done"]
    till.authenticate(waiting, passed=passed)
    over(till.customer(), operation)
    assert shown(till.customer(), operation)["status"] == status
    assert steps(till.customer(), waiting) == ["created", "processing", "requires_authentication", "processing", status]


def signed(till: Till, body: bytes, secret: str = PROVIDER_SECRET, age: int = 0, **more: str) -> requests.Response:
    headers = signatures.headers([SigningKey("v1", secret)], "cb_1", int(time.time()) - age, body)
    url = f"{till.apis.url}/provider-callbacks"
    return requests.post(url, data=body, headers={**headers, **more}, timeout=30)


def test_a_callback_that_is_not_the_providers_changes_nothing(till: Till) -> None:
    payment = paid(till.customer(), 1000, capture="manual")
    data = {"what": "charge", "state": "succeeded", "reason": None, "reference": payment["id"]}
    body = json.dumps({"type": "charge.changed", "data": data}).encode()
    assert signed(till, body, secret="whsec_AAAA").status_code == 401
    assert signed(till, body, age=400).status_code == 401
    assert signed(till, body, age=-400).status_code == 401
    assert signed(till, body, **{"webhook-signature": "v1,"}).status_code == 401
    assert requests.post(f"{till.apis.url}/provider-callbacks", data=body, timeout=30).status_code == 401
    assert till.customer().get(f"/v2/payments/{payment['id']}").json()["status"] == "authorized"
    assert signed(till, body).status_code == 204  # genuine, and yet no second charge of what is settled
    assert till.customer().get(f"/v2/payments/{payment['id']}").json() == payment


@pytest.mark.parametrize("body", [b"", b"[]", b"{", CALLBACK, b'{"data":{"what":"charge","reference":7}}', b"[" * 9999])
def test_a_callback_that_cannot_be_read_is_refused(till: Till, body: bytes) -> None:
    assert signed(till, body).status_code == 400
