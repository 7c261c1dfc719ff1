"""Authorization details (RFC 9396): asked in words, allowed each time, kept with the grant, and told to the API they are for."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.conftest import API
from tests.delegation.payments import PAYMENT, Payer, details, payment
from tests.delegation.support import USERS, Service, audited
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp


def consent_page(payer: Payer, browser: Browser, person: str, *entries: Any) -> Page:
    url, _ = payer.authorize_url(scope="openid read", authorization_details=details(*entries))
    return Page(browser.submit(Page(browser.open(url)), "login", username=person, password=PASSWORD))


def test_the_person_reads_what_it_is_about_in_words(payer: Payer, browser: Browser, person: str) -> None:
    page = consent_page(
        payer, browser, person, payment(47110), payment(5, creditor="Eve", actions=["create", "cancel"])
    )
    text = page.response.text
    for words in ("A payment", "<bdi>471.10 EUR</bdi>", "<bdi>0.05 EUR</bdi>", "<bdi>Bob</bdi>", "<bdi>Eve</bdi>"):
        assert words in text
    for everything in ("create, cancel", "instructed_amount.value", "47110", API):
        assert everything in text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "</bdi></strong>", "{{ 7*7 }}", "{creditor}", "\"&'"])
def test_nothing_the_app_sends_is_more_than_text(payer: Payer, browser: Browser, person: str, name: str) -> None:
    page = consent_page(payer, browser, person, payment(creditor=name))
    assert "consent" in page.forms
    assert "<script" not in page.response.text
    assert "49" not in page.response.text.partition("Pay ")[2].partition("</p>")[0]
    assert page.response.text.count("</bdi>") == page.response.text.count("<bdi>")


def test_they_are_in_the_response_the_token_and_introspection(payer: Payer, browser: Browser, person: str) -> None:
    tokens = payer.granted(browser, person, payment())
    assert tokens["authorization_details"] == [payment()]
    assert claims(tokens["access_token"])["authorization_details"] == [payment()]
    assert payer.introspect(tokens["access_token"])["authorization_details"] == [payment()]


def test_what_was_allowed_is_in_the_audit_trail(idp: RunningIdp, payer: Payer, browser: Browser, person: str) -> None:
    payer.granted(browser, person, payment(99))
    assert audited(idp, "consent")["authorization_details"] == [payment(99)]


def test_a_login_without_them_has_none(payer: Payer, browser: Browser, person: str) -> None:
    tokens = payer.tokens(browser, person, scope="openid read")
    assert "authorization_details" not in tokens
    assert "authorization_details" not in claims(tokens["access_token"])


def test_each_is_asked_whatever_was_allowed_before(payer: Payer, browser: Browser, person: str) -> None:
    payer.granted(browser, person, payment())
    plain = browser.open(payer.authorize_url(scope="openid read offline_access")[0])
    assert "code" in answer_of(plain), "the scopes are remembered"
    url, _ = payer.authorize_url(scope="openid read", authorization_details=details(payment()))
    assert "consent" in Page(browser.open(url)).forms
    silent, _ = payer.authorize_url(scope="openid read", prompt="none", authorization_details=details(payment()))
    assert answer_of(browser.open(silent))["error"] == "consent_required"


def test_a_trusted_client_is_asked_for_them_too(idp: RunningIdp, payments: str, browser: Browser, person: str) -> None:
    trusted = Payer(
        idp.url,
        idp.client(
            redirect_uris=["https://trusted.test/cb"],
            consent="trusted",
            audience=[API],
            authorization_details_types=[payments],
        ),
    )
    assert "code" in trusted.login(browser, person, scope="openid read")[0]
    url, _ = trusted.authorize_url(scope="openid read", authorization_details=details(payment()))
    assert "consent" in Page(browser.open(url)).forms


def test_whoever_denies_them_gives_nothing(payer: Payer, browser: Browser, person: str) -> None:
    page = consent_page(payer, browser, person, payment())
    assert answer_of(browser.submit(page, "consent", decision="deny"))["error"] == "access_denied"


def test_a_token_carries_those_for_its_audience_alone(payer: Payer, browser: Browser, person: str) -> None:
    here, there = payment(1), payment(2, locations=[USERS])
    both, anywhere = payment(3, locations=[API, USERS]), payment(4, locations=None)
    asked = {"resource": [API, USERS], "scope": "openid read users:read offline_access"}
    tokens = payer.granted(browser, person, here, there, both, anywhere, **asked)
    assert tokens["authorization_details"] == [here, both, anywhere]
    other = payer.refresh(tokens["refresh_token"], resource=USERS).json()
    assert other["authorization_details"] == [there, both, anywhere]
    assert claims(other["access_token"])["authorization_details"] == [there, both, anywhere]


def test_a_token_for_another_audience_has_none_and_says_none(
    idp: RunningIdp, payer: Payer, browser: Browser, person: str
) -> None:
    asked = {"resource": [API, USERS], "scope": "openid read users:read offline_access"}
    tokens = payer.granted(browser, person, payment(), **asked)
    other = payer.refresh(tokens["refresh_token"], resource=USERS).json()
    assert "authorization_details" not in other
    assert "authorization_details" not in claims(other["access_token"])


def test_an_exchanged_token_carries_those_that_count_there_too(
    idp: RunningIdp, payer: Payer, orders: Service, browser: Browser, person: str
) -> None:
    tokens = payer.granted(browser, person, payment(1), payment(2, locations=[API, USERS]))
    answer = orders.exchange(tokens["access_token"], scope="read").json()
    assert answer["authorization_details"] == [payment(2, locations=[API, USERS])]
    assert claims(answer["access_token"])["authorization_details"] == answer["authorization_details"]
    assert audited(idp, "token.exchanged")["authorization_details"] == answer["authorization_details"]


def test_discovery_announces_the_types(idp: RunningIdp, payments: str) -> None:
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        assert payments in requests.get(f"{idp.url}{path}", timeout=10).json()["authorization_details_types_supported"]


def test_a_service_of_its_own_gets_none(service: App) -> None:
    response = service.post(
        "/oauth/token", grant_type="client_credentials", authorization_details=details({"type": PAYMENT})
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_authorization_details")
