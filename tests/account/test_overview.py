"""`/account`: who is signed in sees their account at a glance, and finds every page of it."""

from __future__ import annotations

import secrets

import pytest

from tests.account.support import IPHONE, page_of, shown, signed_in
from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp

_NAMES = ("", "email", "password", "security", "linked", "sessions", "apps", "profile", "activity", "access", "data")
PATHS = [f"/account/{name}".rstrip("/") for name in _NAMES]


@pytest.mark.parametrize("path", PATHS)
def test_who_is_not_signed_in_is_asked_to_and_comes_back(idp: RunningIdp, person: str, path: str) -> None:
    browser = Browser(idp.url)
    page = page_of(idp, browser, path)
    assert "login" in page.forms
    back = browser.submit(page, "login", username=person, password="correct horse 47 staple")
    assert (back.status_code, back.url) == (200, f"{idp.url}{path}")


def test_every_page_leads_to_every_other_one_and_says_which_one_it_is(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    for path in PATHS:
        text = browser.open(f"{idp.url}{path}").text
        for other in PATHS:
            current = ' aria-current="page"' if other == path else ""
            assert f'<a href="{idp.url}{other}"{current}>' in text, (path, other)


def test_the_overview_tells_what_opens_the_account_and_what_protects_it(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    text = shown(idp, browser, "/account")
    assert f"Hello, {person}" in text
    assert f"{person}@example.com · not confirmed" in text
    assert "Ways in Password Second step none" in text
    assert "Firefox on Linux · 127.0.0.…" in text
    for warning in ("Your e-mail address is not confirmed yet.", "Whoever learns your password gets in"):
        assert warning in text


def test_the_sign_in_before_is_told_too(idp: RunningIdp, person: str) -> None:
    signed_in(idp, person, agent=IPHONE)
    text = shown(idp, signed_in(idp, person), "/account")
    assert text.index("Firefox on Linux") < text.index("The one before") < text.index("Safari on iPhone")


def test_a_confirmed_address_is_no_reason_to_warn(idp: RunningIdp) -> None:
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name, "--email-verified", "--claim", "name=Ada <b>Lovelace</b>")
    browser = signed_in(idp, name)
    text = browser.open(f"{idp.url}/account").text
    assert "not confirmed" not in text
    assert "Hello, Ada &lt;b&gt;Lovelace&lt;/b&gt;" in text


def test_the_home_page_leads_to_the_account(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    assert f'href="{idp.url}/account"' in browser.open(f"{idp.url}/").text
    assert "login" not in Page(browser.open(f"{idp.url}/account")).forms
