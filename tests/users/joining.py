"""Signing up over HTTP: the form, the letter, and the click that makes the account."""

from __future__ import annotations

import re
from email.message import EmailMessage

import requests

from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp
from tests.users.mail import letters_to, link_in

CODE = "your code to make an account"


def begun(idp: RunningIdp, browser: Browser, page: Page, **fields: str) -> tuple[requests.Response, EmailMessage]:
    """The page that waits, and the letter."""
    before = len(letters_to(idp, fields["email"], 0))
    waiting = browser.submit(page, "signup", **fields)
    assert "verify" in Page(waiting).forms, waiting.text
    return waiting, letters_to(idp, fields["email"], before + 1)[-1]


def joined(idp: RunningIdp, browser: Browser, page: Page, **fields: str) -> requests.Response:
    """What follows once the address is proved, by the link and in the same browser."""
    _, letter = begun(idp, browser, page, **fields)
    return browser.submit(Page(browser.open(link_in(letter))), "verify")


def code_in(letter: EmailMessage) -> str:
    """The code of a letter."""
    body = letter.get_body(("plain",))
    assert body is not None
    (code,) = re.findall(r"^(\d{4} \d{4})\r?$", body.get_content(), re.MULTILINE)
    return str(code)
