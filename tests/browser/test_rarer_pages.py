"""Pages that few people ever see, looked at like all others; and that no page is without somebody who looks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser import registry
from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.browser.sites import Site
from tests.browser.test_login_with import log_in
from tests.browser.test_passkeys import Finger, enrol
from tests.support.flows import App
from tests.support.running import RunningIdp
from tests.support.totp import earlier
from tests.users.mail import letter_about, link_in

NEW = "another horse 48 clip"


@dataclass(frozen=True)
class Bank:
    """An app that wants two factors of everybody, at a provider that also lets people in by mail."""

    idp: RunningIdp
    app: App

    def person(self) -> str:
        name = f"ada.{secrets.token_hex(3)}"
        self.idp.user(name, "--email-verified")
        return name


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    settings = {"signup": "on", "email_login": "true", "login_max_failures_per_address": "100000"}
    with RunningIdp(tmp_path_factory.mktemp("bank"), host="localhost", **settings) as idp, Site() as site:
        metadata = {"consent": "trusted", "second_factor": "required", "redirect_uris": [f"{site.url}/callback"]}
        yield Bank(idp, App(idp.url, idp.client(client_name="Bank", **metadata)))


def test_every_page_is_walked_to_by_somebody() -> None:
    walked = [page for pages in registry.MODULES.values() for page in pages]
    assert sorted(walked) == sorted(registry.pages() - registry.NOT_LOOKED_AT)


def test_a_second_step_is_set_up_on_the_way(visit: Visit, bank: Bank, look: Looker) -> None:
    page = visit()
    page.goto(bank.app.authorize_url()[0])
    log_in(page, bank.person())
    expect(page.locator("form#enrol")).to_be_visible()
    look(page, "enrol")
    Finger(page)
    page.get_by_role("link", name="Make a passkey instead").click()
    expect(page.locator("#passkey-create")).to_be_visible()
    look(page, "enrol-passkey")
    page.get_by_role("link", name="Use an authenticator app instead").click()
    page.fill("input[name=code]", earlier(page.locator("#secret").inner_text()))
    page.click("#enrol-submit")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    look(page, "enrolled")
    page.click("#enrolled-continue")
    page.wait_for_url(f"{bank.app.redirect_uri}*")


def test_another_password(visit: Visit, bank: Bank, look: Looker) -> None:
    page, idp = visit(), bank.idp
    page.goto(f"{idp.url}/account/password")
    log_in(page, bank.person())
    page.fill("input[name=password]", NEW)
    page.click("#password-submit")
    expect(page.get_by_role("heading", name="Your new password is set")).to_be_visible()
    look(page, "password-done")


def test_the_last_way_in_stays(visit: Visit, bank: Bank, look: Looker) -> None:
    page, idp = visit(), bank.idp
    page.add_init_script("delete PublicKeyCredential.isConditionalMediationAvailable;")
    name = f"ada.{secrets.token_hex(3)}"
    idp.user(name)  # an address that nobody confirmed opens nothing
    enrol(page, idp, name)
    other = page.context.new_page()
    other.goto(f"{idp.url}/account/security")
    page.locator("#password-remove button").click()
    expect(page.locator("#password-remove")).to_have_count(0)
    _remove_passkey(other)
    expect(other.get_by_role("alert")).to_contain_text("only way")
    look(other, "refused")


def test_a_mail_that_is_opened_elsewhere(visit: Visit, bank: Bank, look: Looker) -> None:
    page, phone, idp = visit(), visit(), bank.idp
    name = bank.person()
    page.goto(f"{idp.url}/login/email")
    page.fill("input[name=email]", f"{name}@example.com")
    page.click("#email-login-submit")
    expect(page.locator("form#email-code")).to_be_visible()
    phone.goto(link_in(letter_about(idp, f"{name}@example.com", "your code to sign in")))
    expect(phone.locator("#elsewhere")).to_be_visible()
    look(phone, "email-elsewhere")


def _remove_passkey(page: Page) -> None:
    page.locator("#passkey-list summary").click()
    page.locator(".passkey-remove button").click()


def test_the_account_at_a_glance(visit: Visit, bank: Bank, look: Looker) -> None:
    page, phone, name = visit(), visit(), bank.person()
    for one in (phone, page):
        one.goto(f"{bank.idp.url}/account")
        log_in(one, name)
        expect(one.locator("#overview")).to_be_visible()
    look(page, "account-overview")
    page.goto(f"{bank.idp.url}/account/sessions")
    expect(page.locator("#session-list li")).to_have_count(2)
    look(page, "account-sessions")


def test_an_account_is_closed_and_opened_again(visit: Visit, bank: Bank, look: Looker) -> None:
    page, name = visit(), bank.person()
    page.goto(f"{bank.idp.url}/account/data")
    log_in(page, name)
    look(page, "account-data")
    page.click("#close")
    look(page, "account-close")
    page.check("#close-delete input[name=sure]")
    page.locator("#close-delete button").click()
    expect(page.locator("#closed")).to_be_visible()
    look(page, "account-closed")
    page.goto(f"{bank.idp.url}/account")
    log_in(page, name)
    expect(page.locator("form#return")).to_be_visible()
    look(page, "return")
    page.click("#return-submit")
    expect(page.locator("#overview")).to_be_visible()


def test_pages_from_right_to_left(visit: Visit, bank: Bank, look: Looker) -> None:
    page, name = visit(locale="ar"), bank.person()
    page.goto(f"{bank.idp.url}/account/security")
    assert page.evaluate("() => getComputedStyle(document.body).direction") == "rtl"
    look(page, "ar-login", language="ar")
    page.locator(".languages summary").click()
    look(page, "ar-login-languages", language="ar")
    log_in(page, name)
    expect(page.locator("#authenticator-add")).to_be_visible()
    look(page, "ar-security", language="ar")
    page.goto(f"{bank.idp.url}/account")
    look(page, "ar-overview", language="ar")
    page.locator(".languages summary").click()
    page.get_by_role("link", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    look(page, "fr-overview", language="fr")
