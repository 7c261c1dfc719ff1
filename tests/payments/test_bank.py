"""The payer's way to their bank and back: whose payment it is learns the address, the bank takes one answer and leads to the shop only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from resource_server.simulator.magic import Magic
from tests.payments.paying import Till, accepted, euros, eventually, over, paid, shown
from tests.resource_server.apis import SHOP, Apis, Caller, problem, serve, simulator
from tests.support.ports import free_port

BACK = f"{SHOP}/orders/1?back=bank"


def waiting(caller: Caller) -> dict[str, Any]:
    """A payment that waits for its payer, and its operation."""
    operation = accepted(caller, "/v2/payments", {"amount": euros(Magic.AUTHENTICATION)})
    seen = eventually(lambda: shown(caller, operation), lambda found: found["status"] == "requires_authentication")
    return {**seen, "operation": operation}


def page_of(caller: Caller, payment: dict[str, Any]) -> str:
    response = caller.get(f"/v2/payments/{payment['id']}/authentication")
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    (url,) = response.json().values()
    return str(url)


def opened(url: str, **query: str) -> requests.Response:
    return requests.get(url, params=query, timeout=30, allow_redirects=False)


def answered(url: str, **form: str) -> requests.Response:
    return requests.post(url, data=form, timeout=30, allow_redirects=False)


@pytest.mark.parametrize(("passed", "status"), [("yes", "succeeded"), ("no", "failed")])
def test_a_payer_answers_once_and_goes_back(till: Till, passed: str, status: str) -> None:
    payment = waiting(till.customer())
    url = page_of(till.customer(), payment)
    page = opened(url, return_to=BACK)
    assert page.status_code == 200
    assert "66.07 EUR" in page.text
    assert f'value="{BACK}"' in page.text
    response = answered(url, passed=passed, return_to=BACK)
    assert (response.status_code, response.headers["Location"]) == (303, BACK)
    over(till.customer(), payment["operation"])
    assert till.customer().get(f"/v2/payments/{payment['id']}").json()["status"] == status

    other = {"yes": "no", "no": "yes"}[passed]
    assert answered(url, passed=other, return_to=BACK).status_code == 303
    assert "You have answered" in opened(url).text
    assert till.charged(payment)["state"] == {"yes": "succeeded", "no": "declined"}[passed]
    problem(till.customer().get(f"/v2/payments/{payment['id']}/authentication"), 409, "illegal_step")


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.test/",
        "http://shop.test/",
        "https://shop.test.evil.test/",
        "https://shop.test:444/",
        "https://shop.test@evil.test/",
        "https://shop.test\\@evil.test/",
        "https://user@shop.test/",
        "https:shop.test",
        "https:///shop.test/",
        "//shop.test/",
        "/bank/",
        "javascript:alert(1)//https://shop.test/",
        "https://shop.test/\r\nSet-Cookie: a=b",
        "https://shop.test/ x",
        "https://[shop.test/",
        "https://shöp.test/",
    ],
)
def test_a_bank_leads_nowhere_but_to_the_shop(till: Till, back: str) -> None:
    payment = waiting(till.customer())
    url = page_of(till.customer(), payment)
    for response in (opened(url, return_to=back), answered(url, passed="yes", return_to=back)):
        assert response.status_code == 400
        assert "Location" not in response.headers
        assert "evil" not in response.text
    assert till.charged(payment)["state"] == "requires_action"


def test_without_a_way_back_the_page_says_that_it_is_done(till: Till) -> None:
    url = page_of(till.customer(), waiting(till.customer()))
    response = answered(url, passed="yes")
    assert (response.status_code, response.headers["Location"]) == (303, urlsplit(url).path)
    assert "You can close this page" in opened(url).text


def test_an_address_that_was_guessed_shows_nothing(till: Till) -> None:
    url = page_of(till.customer(), waiting(till.customer()))
    other = page_of(till.customer(), waiting(till.customer()))
    charge, proof = other.split("/")[-2:]
    base = url.rpartition("/bank/")[0]
    for path in (f"{charge}/{proof[:-1]}", f"{charge}/", charge, "", f"{charge}/{url.rpartition('/')[2]}", "%00/x"):
        wrong = f"{base}/bank/{path}"
        assert opened(wrong).status_code == 404
        assert answered(wrong, passed="yes").status_code == 404


@pytest.mark.parametrize("form", [{}, {"passed": ""}, {"passed": "maybe"}, {"answer": "yes"}])
def test_what_is_no_answer_changes_nothing(till: Till, form: dict[str, str]) -> None:
    payment = waiting(till.customer())
    response = answered(page_of(till.customer(), payment), **form)
    assert response.status_code == 400
    assert "Is it you who pays?" in response.text
    assert till.charged(payment)["state"] == "requires_action"


def test_the_page_may_load_nothing_and_be_framed_by_nobody(till: Till) -> None:
    page = opened(page_of(till.customer(), waiting(till.customer())))
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert f"form-action 'self' {SHOP}" in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    style = re.search(r'href="(/bank/[^"]+)"', page.text)
    assert style is not None
    assert opened(f"{till.apis.provider}{style.group(1)}").headers["Content-Type"] == "text/css; charset=utf-8"


def test_nobody_else_learns_the_address(till: Till) -> None:
    payment = waiting(till.customer())
    path = f"/v2/payments/{payment['id']}/authentication"
    problem(till.other().get(path), 404, "not_found")
    for staff in (till.support, till.finance, till.admin):
        problem(staff().get(path), 403, "access_denied")


def test_a_payment_that_waits_for_nobody_has_none(till: Till) -> None:
    payment = paid(till.customer())
    problem(till.customer().get(f"/v2/payments/{payment['id']}/authentication"), 409, "illegal_step")


def test_while_the_provider_is_away_one_is_told_to_ask_again(apis: Apis, till: Till, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with simulator(tmp_path, f"{url}/provider-callbacks") as provider:
        settings = {"RS_DATA_DIR": str(tmp_path / "services"), "RS_PROVIDER_URL": provider}
        process = serve(apis.idp, tmp_path, url, RS_AUDIENCE=apis.url, **settings)
        caller = Caller(url, till.customer().token)
        payment = waiting(caller)
    try:
        response = caller.get(f"/v2/payments/{payment['id']}/authentication")
        problem(response, 503, "unavailable")
        assert response.headers["Retry-After"] == "2"
    finally:
        process.stop()
