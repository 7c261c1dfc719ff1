"""A large checkout needs a login with a second factor, a moment ago (RFC 9470): the challenge says so, and who follows it pays."""

from __future__ import annotations

import re
import time

import pyotp
import pytest

from tests.orders.ordering import ask, now, ordered, steps
from tests.orders.test_checkouts import paid_for
from tests.protection.people import Someone, finished, opened
from tests.resource_server.apis import ALL, Apis, Caller, problem, signed_anew
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD

MUCH = 100_000


def challenge(response_headers: str) -> dict[str, str]:
    """What the challenge asks of a login."""
    return dict(re.findall(r'(acr_values|max_age)="([^"]*)"', response_headers))


def test_the_challenge_is_carried_to_a_second_factor_and_back(apis: Apis) -> None:
    someone, browser = Someone.new(apis.idp), Browser(apis.idp.url)
    secret, _ = someone.enrol(browser)
    weak = Caller(apis.url, apis.app.tokens(browser, someone.name, scope=ALL)["access_token"])
    order = ordered(weak, MUCH)
    refused = ask(weak, f"/v2/orders/{order['id']}/checkouts")
    problem(refused, 401, "insufficient_user_authentication")
    wanted = challenge(refused.headers["WWW-Authenticate"])
    assert wanted == {"acr_values": "2fa phr", "max_age": "300"}
    assert steps(weak, order) == ["draft"]
    assert ask(weak, f"/v2/orders/{ordered(weak, MUCH - 1)['id']}/checkouts").status_code == 202

    page, verifier = opened(apis.app, browser, scope=ALL, **wanted)
    response = browser.submit(page, "otp", code=pyotp.TOTP(secret).now())
    answer = finished(browser, response)
    strong = Caller(apis.url, apis.app.redeem(answer["code"], verifier).json()["access_token"])
    assert paid_for(strong, order)["status"] == "paid"


def test_a_second_factor_at_the_login_serves_too(apis: Apis) -> None:
    someone, browser = Someone.new(apis.idp), Browser(apis.idp.url)
    secret, _ = someone.enrol(Browser(apis.idp.url))
    page, verifier = opened(apis.app, browser, scope=ALL, acr_values="2fa")
    page = Page(browser.submit(page, "login", username=someone.name, password=PASSWORD))
    answer = finished(browser, browser.submit(page, "otp", code=pyotp.TOTP(secret).now()))
    caller = Caller(apis.url, apis.app.redeem(answer["code"], verifier).json()["access_token"])
    assert paid_for(caller, ordered(caller, MUCH))["status"] == "paid"


@pytest.mark.parametrize(
    ("acr", "age", "status"), [("2fa", 0, 202), ("phr", 200, 202), ("2fa", 400, 401), ("1fa", 0, 401), (None, 0, 401)]
)
@pytest.mark.parametrize("apis", ["together-sqlite", "together-postgresql"], indirect=True)
def test_it_is_the_kind_and_the_age_of_the_login_that_count(apis: Apis, acr: str | None, age: int, status: int) -> None:
    person = apis.person()
    order = ordered(person, MUCH)
    token = signed_anew(apis.idp, person.token, acr=acr or "0", auth_time=int(time.time()) - age)
    response = ask(Caller(apis.url, token), f"/v2/orders/{order['id']}/checkouts")
    assert response.status_code == status
    assert now(person, order)["status"] in ({"draft"} if status == 401 else {"awaiting_payment", "paid"})
