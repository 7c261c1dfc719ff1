"""A person at the login page who chooses a provider, goes there and comes back."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import requests

from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.support.running import PASSWORD, RunningIdp


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider registered at our identity provider."""

    idp: RunningIdp
    provider: Provider
    name: str

    @classmethod
    def registered(cls, idp: RunningIdp, provider: Provider, name: str, **settings: Any) -> Self:
        """Register it under this name; None leaves a setting out."""
        given = {
            "title": "The Other",
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **settings,
        }
        document = {key: value for key, value in given.items() if value is not None}
        idp.cli("upstream", "create", name, "--file", "-", stdin=json.dumps(document))
        return cls(idp, provider, name)

    def change(self, **settings: Any) -> None:
        self.idp.cli("upstream", "update", self.name, "--file", "-", stdin=json.dumps(settings))

    @property
    def callback(self) -> str:
        return f"{self.idp.url}/login/upstream/{self.name}/callback"

    def leave(self, browser: Browser, page: Page | None = None) -> dict[str, str]:
        """Press the button of the login page; what the provider sends the browser back with."""
        page = page or Page(browser.open(f"{self.idp.url}/login"))
        return self.provider.authorize(location(browser.submit(page, f"upstream-{self.name}")))

    def arrive(self, browser: Browser, answer: dict[str, str]) -> requests.Response:
        return browser.open(f"{self.callback}?{urlencode(answer)}")

    def log_in(self, browser: Browser) -> requests.Response:
        """There and back, for nobody in particular."""
        return self.arrive(browser, self.leave(browser))

    def log_in_to(self, app: App, browser: Browser, **parameters: Any) -> dict[str, Any]:
        """There and back for an app; the claims of the ID token it gets."""
        url, verifier = app.authorize_url(**parameters)
        response = self.arrive(browser, self.leave(browser, Page(browser.open(url))))
        answer = answer_of(response)
        assert "code" in answer, answer
        return claims(app.redeem(answer["code"], verifier).json()["id_token"])

    def link(self, browser: Browser) -> requests.Response:
        """From the page of linked accounts; the browser must be signed in."""
        page = Page(browser.open(f"{self.idp.url}/account/linked"))
        return self.arrive(browser, self.provider.authorize(location(browser.submit(page, f"link-{self.name}"))))


def location(response: requests.Response) -> str:
    """Where a redirect leads."""
    assert "Location" in response.headers, f"no redirect: {response.status_code} {response.text[:1500]}"
    return response.headers["Location"]


def signed_in(idp: RunningIdp, name: str, password: str = PASSWORD) -> Browser:
    """A browser in which this person has logged in."""
    browser = Browser(idp.url)
    page = Page(browser.open(f"{idp.url}/login"))
    assert is_home(browser.submit(page, "login", username=name, password=password), name)
    return browser


def is_home(response: requests.Response, name: str) -> bool:
    """Whether the page says that this person is signed in."""
    return response.status_code == 200 and "You are signed in as" in response.text and name in response.text


def stopped(response: requests.Response) -> str | None:
    """Why a login with others did not go on."""
    page = Page(response)
    assert response.status_code < 500 or page.main.get("data-error") == "away", response.text
    return page.main.get("data-error")


def way_back(response: requests.Response) -> str:
    """Where the link of a page that says why leads."""
    found = re.search(r'id="upstream-back"[^>]*href="([^"]+)"', response.text)
    assert found, response.text
    return found.group(1)


def new_name() -> str:
    """A name nobody has."""
    return f"person-{secrets.token_hex(4)}"


def who(idp: RunningIdp, name: str) -> dict[str, Any]:
    """The account of this user name."""
    found: dict[str, Any] = idp.cli("user", "show", name)
    return found
