"""Every journey that leads through a mailbox, in Chromium with a real mail server: each page is looked at, light and dark, on phone and desk."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.support.running import PASSWORD, RunningIdp
from tests.support.smtp import PATIENCE, Inbox, listening
from tests.users.joining import CODE, code_in
from tests.users.mail import link_in

NEW = "another horse 48 clip"
SCRIPTED = {"signup", "invited", "reset"}
"""Where a new password is chosen, one small script tells how good it is."""
Look = Callable[[Page, str], None]


@dataclass(frozen=True)
class Post:
    """A provider that anybody may join, and what its mail server took."""

    idp: RunningIdp
    inbox: Inbox

    def person(self) -> str:
        """Somebody with a confirmed address."""
        name = f"ada.{secrets.token_hex(3)}"
        self.idp.user(name, "--email-verified", "--claim", "name=Ada Lovelace")
        return name

    def letter(self, name: str, words: str) -> EmailMessage:
        return self.inbox.letter(f"{name}@example.com", words)


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    inbox = Inbox()
    with listening(inbox) as address:
        settings = {"mail_url": f"smtp://{address}", "signup": "on", "email_login": "true", "signup_max": "1000"}
        with RunningIdp(tmp_path_factory.mktemp("post"), **settings) as idp:
            yield Post(idp, inbox)


@pytest.fixture
def look(look: Looker) -> Look:
    """Looks at the page in view; its pictures say that they belong here."""

    def judged(page: Page, name: str) -> None:
        look(page, f"mail-{name}")
        assert page.evaluate("() => document.scripts.length") == int(name in SCRIPTED), name

    return judged


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", password)
    page.click("#login-submit")


def begin(page: Page, post: Post, name: str, email: str) -> None:
    page.goto(f"{post.idp.url}/signup")
    page.fill("input[name=username]", name)
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)


@pytest.mark.parametrize("by", ["code", "link"])
def test_sign_up_with_an_address_that_a_letter_proves(visit: Visit, post: Post, look: Look, by: str) -> None:
    page, name = visit(java_script_enabled=by == "code"), f"ada.{secrets.token_hex(3)}"
    begin(page, post, name, f"{name}@example.com")
    if by == "code":
        look(page, "signup")
    page.click("#signup-submit")
    expect(page.locator("form#verify")).to_be_visible()
    letter = post.letter(name, CODE)
    if by == "code":
        look(page, "signup-sent")
        page.fill("#code", code_in(letter))
    else:
        page.goto(link_in(letter))
        expect(page.get_by_role("heading", name="Is this your address?")).to_be_visible()
    page.click("#verify-submit")
    expect(page.locator("#joined")).to_be_visible()
    log_in(page, name)
    expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    page.goto(f"{post.idp.url}/account/email")
    expect(page.get_by_text("not confirmed")).to_have_count(0)
    page.goto(link_in(letter))
    expect(page.get_by_role("heading", name="This link is used up")).to_be_visible()


def test_sign_up_under_a_name_that_somebody_has(visit: Visit, post: Post, look: Look) -> None:
    page, taken, name = visit(), post.person(), f"ada.{secrets.token_hex(3)}"
    begin(page, post, taken, f"{name}@example.com")
    page.click("#signup-submit")
    waiting = page.url
    page.goto(link_in(post.letter(name, CODE)))
    look(page, "signup-proof")
    page.click("#verify-submit")
    expect(page.get_by_role("alert")).to_have_text("This user name is taken: choose another one.")
    look(page, "signup-proof-taken")
    page.fill("#username", name)
    page.click("#verify-submit")
    expect(page.locator("#joined")).to_be_visible()
    page.goto(waiting)
    expect(page.get_by_role("heading", name="This sign-up is over")).to_be_visible()
    look(page, "signup-over")


def test_sign_up_with_an_address_that_has_an_account(visit: Visit, post: Post) -> None:
    page, there = visit(), post.person()
    begin(page, post, f"{there}.2", f"{there}@example.com")
    page.click("#signup-submit")
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(link_in(post.letter(there, "you have an account already")))
    expect(page.locator("form#forgot")).to_be_visible()


def test_finish_a_sign_up_on_another_device(visit: Visit, post: Post) -> None:
    page, phone, name = visit(), visit(), f"ada.{secrets.token_hex(3)}"
    begin(page, post, name, f"{name}@example.com")
    page.click("#signup-submit")
    phone.goto(link_in(post.letter(name, CODE)))
    phone.click("#verify-submit")
    expect(phone.locator("#email")).to_have_value(f"{name}@example.com")
    expect(phone.locator("#email")).not_to_be_editable()
    phone.fill("input[name=password]", NEW)
    phone.click("#signup-submit")
    log_in(phone, name, NEW)
    expect(phone.get_by_role("heading", name="Hello")).to_be_visible()


def test_an_address_is_confirmed_later(visit: Visit, post: Post, look: Look) -> None:
    page, name = visit(), f"ada.{secrets.token_hex(3)}"
    post.idp.user(name)
    page.goto(f"{post.idp.url}/account/email")
    log_in(page, name)
    expect(page.get_by_text("not confirmed")).to_be_visible()
    look(page, "address-unconfirmed")
    page.click("form#email-verify button")
    page.goto(link_in(post.letter(name, "is this your address")))
    look(page, "verify")
    page.click("#verify-submit")
    expect(page.get_by_text("is confirmed")).to_be_visible()
    look(page, "verified")
    page.goto(f"{post.idp.url}/account/email")
    expect(page.get_by_text("not confirmed")).to_have_count(0)
    look(page, "address")


@pytest.mark.parametrize("by", ["code", "link"])
def test_sign_in_by_a_mailed(visit: Visit, post: Post, look: Look, by: str) -> None:
    page, name = visit(), post.person()
    page.goto(f"{post.idp.url}/login/email")
    look(page, "email-login")
    page.fill("input[name=email]", f"{name}@example.com")
    page.keyboard.press("Enter")
    expect(page.locator("form#email-code")).to_be_visible()
    look(page, "email-code")
    letter = post.letter(name, "your code to sign in")
    if by == "code":
        body = letter.get_body(("plain",))
        assert body is not None
        (code,) = re.findall(r"^(\d{4} \d{4})\r?$", body.get_content(), re.MULTILINE)
        page.fill("input[name=code]", code)
        page.click("#email-code-submit")
    else:
        page.goto(link_in(letter))
        look(page, "email-link")
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    look(page, "home")


def test_a_forgotten_password(visit: Visit, post: Post, look: Look) -> None:
    page, name = visit(), post.person()
    page.goto(f"{post.idp.url}/login")
    page.get_by_role("link", name="Forgot your password?").click()
    look(page, "forgot")
    page.fill("input[name=email]", f"{name}@example.com")
    page.click("#forgot-submit")
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    look(page, "forgot-sent")
    link = link_in(post.letter(name, "choose a new password"))
    page.goto(link)
    look(page, "reset")
    page.fill("input[name=password]", NEW)
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_role("heading", name="new password is set")).to_be_visible()
    look(page, "reset-done")
    page.goto(link)
    expect(page.get_by_role("heading", name="This link is used up")).to_be_visible()
    look(page, "link-gone")
    page.goto(f"{post.idp.url}/login")
    log_in(page, name, NEW)
    expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    post.letter(name, "password was changed")


def test_another_address(visit: Visit, post: Post, look: Look) -> None:
    page, phone, name, new = visit(), visit(), post.person(), f"new.{secrets.token_hex(3)}"
    page.goto(f"{post.idp.url}/account/email")
    log_in(page, name)
    page.click("#email-change")
    look(page, "email-change")
    page.fill("input[name=email]", f"{name}@example.com")
    page.click("#email-change-submit")
    expect(page.get_by_role("alert")).to_have_text("This is your address already.")
    look(page, "email-change-refused")
    page.fill("input[name=email]", f"{new}@example.com")
    page.click("#email-change-submit")
    expect(page.locator("#email-letters li")).to_have_count(2)
    look(page, "email-waiting")
    phone.goto(link_in(post.letter(name, "may your e-mail address change")))
    look(phone, "email-approve")
    phone.click("#email-approve-allow")
    expect(phone.get_by_role("heading", name="One more step")).to_be_visible()
    look(phone, "email-one-more")
    page.reload()
    expect(page.get_by_text("answered", exact=True)).to_have_count(1)
    look(page, "email-half-way")
    phone.goto(link_in(post.letter(new, "is this your new address")))
    look(phone, "email-confirm")
    phone.click("#email-confirm-submit")
    expect(phone.get_by_role("heading", name="Your address is changed")).to_be_visible()
    look(phone, "email-changed")
    page.reload()
    expect(page.get_by_text(f"{new}@example.com")).to_be_visible()
    expect(page.locator("#email-letters")).to_have_count(0)
    assert f"{new}@example.com" in post.letter(name, "your e-mail address was changed").as_string()


def test_a_change_of_address_that_is_stopped(visit: Visit, post: Post, look: Look) -> None:
    page, name = visit(), post.person()
    page.goto(f"{post.idp.url}/account/email/change")
    log_in(page, name)
    page.fill("input[name=email]", f"new.{secrets.token_hex(3)}@example.com")
    page.click("#email-change-submit")
    page.goto(link_in(post.letter(name, "may your e-mail address change")))
    page.click("#email-approve-deny")
    expect(page.get_by_role("heading", name="Nothing changed")).to_be_visible()
    look(page, "email-kept")
    page.goto(f"{post.idp.url}/account/email")
    expect(page.get_by_text(f"{name}@example.com")).to_be_visible()
    expect(page.locator("#email-letters")).to_have_count(0)


def test_an_invitation(visit: Visit, post: Post, look: Look) -> None:
    page, name = visit(), f"guest.{secrets.token_hex(3)}"
    post.idp.cli("user", "invite", f"{name}@example.com", "--role", "editor")
    link = link_in(post.letter(name, "you are invited"))
    page.goto(link)
    expect(page.locator("#email")).to_have_value(f"{name}@example.com")
    expect(page.locator("#email")).not_to_be_editable()
    look(page, "invited")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("#signup-submit")
    log_in(page, name)
    expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    told = post.idp.cli("user", "show", name)
    assert (told["email_verified"], told["roles"]) == (True, ["editor"])
    page.goto(link)
    expect(page.get_by_role("heading", name="This invitation is used up")).to_be_visible()
    look(page, "invitation-gone")


def test_the_mailbox_of_development(visit: Visit, look: Look, tmp_path: Path) -> None:
    with RunningIdp(tmp_path, mail_url=f"mailbox://{tmp_path / 'mailbox'}", signup="invite") as idp:
        idp.user("ada")
        page = visit()
        page.goto(f"{idp.url}/dev/mailbox")
        look(page, "mailbox-empty")
        page.goto(f"{idp.url}/password/forgot")
        page.fill("input[name=email]", "ada@example.com")
        page.click("#forgot-submit")
        page.get_by_role("link", name="look into the mailbox").click()
        letter, deadline = page.get_by_role("link", name="choose a new password"), time.monotonic() + PATIENCE
        while not letter.count() and time.monotonic() < deadline:
            page.get_by_role("link", name="Look again").click()
        look(page, "mailbox")
        letter.click()
        look(page, "mailbox-letter")
        page.frame_locator("iframe").get_by_role("link", name="Choose a new password").click()
        expect(page.locator("form#reset")).to_be_visible()
        page.goto(f"{idp.url}/signup")
        expect(page.get_by_role("heading", name="By invitation")).to_be_visible()
        look(page, "by-invitation")
