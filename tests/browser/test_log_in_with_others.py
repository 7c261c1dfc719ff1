"""From the sample app through our login page to a second identity provider and back, in a real browser; and the page of linked accounts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.browser.shop import Shop, open_shop
from tests.browser.test_login_with import go_to_login, log_in
from tests.support.running import RunningIdp

NAME, TITLE = "company", "Example Company"


@dataclass(frozen=True)
class Street:
    """A shop whose identity provider lets people in with the company's."""

    shop: Shop
    company: RunningIdp

    def person(self) -> str:
        """Somebody at the company."""
        name = f"grace.{secrets.token_hex(3)}"
        self.company.user(name, "--email-verified", "--claim", "name=Grace Hopper")
        return name


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Two identity providers on two hosts, for cookies ignore ports."""
    folder = tmp_path_factory.mktemp("street")
    with (
        open_shop(folder / "shop", host="localhost") as shop,
        RunningIdp(folder / "company", name=TITLE) as company,
    ):
        callback = f"{shop.idp.url}/login/upstream/{NAME}/callback"
        client = company.client(client_name="Demo shop's sign-in", redirect_uris=[callback])
        for name, title, position in (("code", "Code Forge", 2), (NAME, TITLE, 1)):
            given = {
                "title": title,
                "position": position,
                "issuer": company.issuer,
                "client_id": client["client_id"],
                "client_secret": client["client_secret"],
                "trusts_email": True,
            }
            shop.idp.cli("upstream", "create", name, "--file", "-", stdin=json.dumps(given))
        yield Street(shop, company)


def sign_in_there(page: Page, street: Street, name: str) -> None:
    expect(page.locator("form#login")).to_be_visible()
    assert page.url.startswith(street.company.url)
    log_in(page, name)
    if page.locator("#consent-allow").is_visible():
        page.click("#consent-allow")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no-javascript"])
def test_a_stranger_comes_in_through_the_company(visit: Visit, street: Street, javascript: bool) -> None:
    page, name = visit(java_script_enabled=javascript), street.person()
    go_to_login(page, street.shop)
    buttons = page.get_by_role("button", name="Continue with")
    expect(buttons).to_have_text([f"Continue with {TITLE}", "Continue with Code Forge"])
    buttons.first.click()
    sign_in_there(page, street, name)
    page.wait_for_url(f"{street.shop.idp.url}/consent**")
    page.click("#consent-allow")
    page.wait_for_url(f"{street.shop.app}/profile")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Grace Hopper")
    expect(page.locator("#claims")).to_contain_text(f"{name}@example.com")


def test_whoever_gives_up_there_finds_the_way_back(visit: Visit, street: Street, look: Looker) -> None:
    page = visit()
    go_to_login(page, street.shop)
    page.get_by_role("button", name=f"Continue with {TITLE}").click()
    page.click("#login-cancel")
    expect(page.locator("#upstream-stopped")).to_have_attribute("data-error", "denied")
    look(page, "upstream-stopped")
    page.click("#upstream-back")
    expect(page.locator("form#login")).to_be_visible()
    page.click("#login-cancel")
    expect(page.locator("#sorry")).to_be_visible()


def test_link_and_unlink(visit: Visit, street: Street, look: Looker) -> None:
    page, there = visit(), street.person()
    here = street.shop.person()
    page.goto(f"{street.shop.idp.url}/account/linked")
    look(page, "login-with-others")
    log_in(page, here)
    expect(page.get_by_role("heading", level=1)).to_have_text("Linked accounts")
    look(page, "linked-none")
    page.get_by_role("button", name=f"Link {TITLE}", exact=True).click()
    sign_in_there(page, street, there)
    expect(page.locator("#linked-list")).to_contain_text("Grace Hopper")
    look(page, "linked")
    page.get_by_role("button", name=f"Unlink {TITLE}").click()
    expect(page.locator("main")).to_contain_text("None yet")
