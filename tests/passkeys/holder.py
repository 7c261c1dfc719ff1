"""A person with a passkey, and how they go through the pages: the script's part is done by `tests.support.authenticator`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import requests
import sqlalchemy as sa

from idp.platform.db import Database
from idp.platform.models import AuditRow
from tests.support.authenticator import Authenticator
from tests.support.databases import open_database
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp

SECURITY = "/account/security"
NEW = f"{SECURITY}/passkeys/new"
FORM, NEW_FORM = "passkey", "passkey-new"


def options_of(response: requests.Response) -> dict[str, Any]:
    """What the page wants the script to ask the browser for."""
    (text,) = re.findall(r"data-options='([^']+)'", response.text)
    options: dict[str, Any] = json.loads(unescape(text))
    return options


def sign_in(browser: Browser, idp: RunningIdp, name: str, path: str = SECURITY) -> requests.Response:
    """Open an account page; sign in with the password when asked."""
    page = Page(browser.open(f"{idp.url}{path}"))
    if "login" not in page.forms:
        return page.response
    return browser.submit(page, "login", username=name, password=PASSWORD)


def add(
    browser: Browser, idp: RunningIdp, authenticator: Authenticator, name: str = "", **lies: Any
) -> requests.Response:
    """Make a passkey in a browser that has just signed in."""
    page = browser.open(f"{idp.url}{NEW}")
    made = authenticator.create(options_of(page), **lies)
    return browser.submit(Page(page), NEW_FORM, response=made, name=name)


def codes_of(response: requests.Response) -> list[str]:
    """The recovery codes on a page."""
    return re.findall(r"<li><code>([a-z2-7-]+)</code></li>", response.text)


def change(idp: RunningIdp, statement: sa.Update) -> None:
    """Let a row be another than it is."""
    with database_of(idp) as database, database.write() as tx:
        assert tx.execute(statement).rowcount > 0


def audited(idp: RunningIdp, event: str) -> list[dict[str, Any]]:
    """The entries of the audit trail of one kind, oldest first."""
    query = sa.select(AuditRow.entry).where(AuditRow.event == event).order_by(AuditRow.sequence)
    with database_of(idp) as database, database.read() as tx:
        return [json.loads(entry) for entry in tx.execute(query).scalars()]


@contextmanager
def database_of(idp: RunningIdp) -> Iterator[Database]:
    """The database that the servers share."""
    default = f"sqlite:///{idp.folder / 'var' / 'idp.sqlite3'}"
    database = open_database(idp.environ.get("IDP_DATABASE_URL", default))
    yield database
    database.engine.dispose()


@dataclass
class Holder:
    """Somebody with a passkey: their name, what keeps it, and the recovery codes that came with it."""

    idp: RunningIdp
    name: str
    authenticator: Authenticator
    codes: list[str] = field(default_factory=list)

    @classmethod
    def enrolled(cls, idp: RunningIdp, name: str, **authenticator: Any) -> Holder:
        """Sign in with the password and make a passkey."""
        device, browser = Authenticator(idp.url, **authenticator), Browser(idp.url)
        sign_in(browser, idp, name)
        response = add(browser, idp, device)
        assert response.status_code == 200, response.text
        codes = codes_of(response)
        assert len(codes) == 10, response.text
        return cls(idp, name, device, codes)

    def sign_in(self, browser: Browser, path: str = SECURITY, **lies: Any) -> requests.Response:
        """Sign in with nothing but the passkey."""
        return self.answer(browser, browser.open(f"{self.idp.url}{path}"), **lies)

    def answer(self, browser: Browser, page: requests.Response, **lies: Any) -> requests.Response:
        """Do what the page asks for with the passkey."""
        return browser.submit(Page(page), FORM, response=self.authenticator.get(options_of(page), **lies))

    def password(self, browser: Browser, app: App, **parameters: Any) -> tuple[requests.Response, str]:
        """The password typed for an app: the page of the second step, and the PKCE verifier."""
        url, verifier = app.authorize_url(**parameters)
        page = Page(browser.open(url))
        return browser.submit(page, "login", username=self.name, password=PASSWORD), verifier
