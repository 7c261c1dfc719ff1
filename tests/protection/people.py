"""People who protect their accounts, and what they do in a browser."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from email.message import EmailMessage

import requests

from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import PASSWORD, RunningIdp
from tests.support.totp import earlier
from tests.users.mail import letters_to

SECURITY = "/account/security"
AUTHENTICATOR = f"{SECURITY}/authenticator"


@dataclass(frozen=True)
class Someone:
    """A person of one test."""

    idp: RunningIdp
    name: str
    sub: str

    @property
    def address(self) -> str:
        return f"{self.name}@example.com"

    @classmethod
    def new(cls, idp: RunningIdp) -> Someone:
        name = f"person-{secrets.token_hex(4)}"
        return cls(idp, name, idp.user(name, "--email-verified")["sub"])

    def sign_in(self, browser: Browser, path: str = SECURITY) -> requests.Response:
        """Open an account page, with the password when asked for it."""
        response = browser.open(f"{self.idp.url}{path}")
        page = Page(response)
        if "login" in page.forms:
            response = browser.submit(page, "login", username=self.name, password=PASSWORD)
        return response

    def enrol(self, browser: Browser) -> tuple[str, list[str]]:
        """Set up an authenticator app; its secret and the recovery codes."""
        self.sign_in(browser)
        page = Page(browser.open(f"{self.idp.url}{AUTHENTICATOR}"))
        secret = secret_on(page)
        return secret, codes_on(browser.submit(page, "authenticator-form", code=earlier(secret)))

    def letters(self, count: int) -> list[EmailMessage]:
        """The letters to this person, once there are so many."""
        return letters_to(self.idp, self.address, count)


def secret_on(page: Page) -> str:
    (secret,) = re.findall(r'<code id="secret">([A-Z2-7]+)</code>', page.response.text)
    return str(secret)


def codes_on(response: requests.Response) -> list[str]:
    codes = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", response.text)
    assert len(codes) == 10, response.text
    return codes


def opened(app: App, browser: Browser, **parameters: str) -> tuple[Page, str]:
    """What an app's request shows first, and the PKCE verifier."""
    url, verifier = app.authorize_url(**parameters)
    return Page(browser.open(url)), verifier


def finished(browser: Browser, response: requests.Response) -> dict[str, str]:
    """The answer to the app, its consent given."""
    page = Page(response)
    return answer_of(browser.submit(page, "consent", decision="allow") if "consent" in page.forms else response)
