"""A second identity provider of our own plays the provider: the same program on both sides, over real HTTP."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.support import databases
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp
from tests.upstream.support import is_home, new_name, stopped, who

NAME = "company"


class Traveller(Browser):
    """A browser that goes to and fro between the two."""

    def __init__(self, *homes: str) -> None:
        super().__init__(homes[0])
        self._homes = homes

    def _follow(self, response: requests.Response) -> requests.Response:
        while response.headers.get("Location", "").startswith(self._homes):
            response = self.http.get(response.headers["Location"], allow_redirects=False, timeout=30)
        return response


@dataclass(frozen=True)
class Pair:
    """Ours, theirs, and our client there."""

    ours: RunningIdp
    theirs: RunningIdp
    client: dict[str, Any]

    def traveller(self) -> Traveller:
        return Traveller(self.ours.url, self.theirs.url)

    def there_and_back(self, browser: Traveller, page: Page, name: str) -> requests.Response:
        """Press the button, sign in there as this person, and come back."""
        page = Page(browser.submit(page, f"upstream-{NAME}"))
        assert page.response.url.startswith(self.theirs.url)
        return browser.submit(page, "login", username=name, password=PASSWORD)


@pytest.fixture(scope="session", params=databases.KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two identity providers on two hosts, for cookies ignore ports; ours trusts theirs for addresses."""
    with contextlib.ExitStack() as stack:
        urls: list[str | None] = [None, None]
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres_server")
            urls = [stack.enter_context(databases.empty_postgres(server)) for _ in range(2)]
        folder = tmp_path_factory.mktemp("pair")
        ours = stack.enter_context(RunningIdp(folder / "ours", urls[0], host="localhost", signup="on"))
        theirs = stack.enter_context(RunningIdp(folder / "theirs", urls[1]))
        callback = f"{ours.url}/login/upstream/{NAME}/callback"
        client = theirs.client(client_name="Ours", redirect_uris=[callback], consent="trusted")
        given = {
            "title": "The Company",
            "issuer": theirs.issuer,
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "trusts_email": True,
        }
        ours.cli("upstream", "create", NAME, "--file", "-", stdin=json.dumps(given))
        yield Pair(ours, theirs, client)


@pytest.fixture
def name(pair: Pair) -> str:
    """Somebody there, unknown here."""
    made = new_name()
    pair.theirs.user(made, "--email-verified", "--claim", "given_name=Ada", "--claim", "family_name=Lovelace")
    return made


def test_from_the_app_through_ours_to_theirs_and_back(pair: Pair, name: str) -> None:
    client = pair.ours.client(client_name="App", redirect_uris=["https://app.test/callback"], consent="trusted")
    app, browser = App(pair.ours.url, client), pair.traveller()
    url, verifier = app.authorize_url(scope="openid", nonce="ours")
    back = pair.there_and_back(browser, Page(browser.open(url)), name)
    answer = answer_of(back)
    assert answer["iss"] == pair.ours.issuer
    told = claims(app.redeem(answer["code"], verifier).json()["id_token"])
    person, there = who(pair.ours, name), who(pair.theirs, name)
    assert told["iss"] == pair.ours.issuer
    assert told["sub"] == person["sub"] != there["sub"]
    assert (told["amr"], told["acr"]) == (["fed"], "1fa")
    assert (person["email"], person["email_verified"]) == (f"{name}@example.com", True)
    assert person["claims"]["given_name"] == "Ada"

    again, verifier = app.authorize_url(scope="openid")
    assert "code" in answer_of(browser.open(again))


def test_a_session_there_needs_no_second_password(pair: Pair, name: str) -> None:
    browser = pair.traveller()
    login = f"{pair.ours.url}/login"
    assert is_home(pair.there_and_back(browser, Page(browser.open(login)), name), name)
    for cookie in list(browser.http.cookies):
        if cookie.domain.startswith("localhost"):
            browser.http.cookies.clear(cookie.domain, cookie.path, cookie.name)
    back = browser.submit(Page(browser.open(login)), f"upstream-{NAME}")
    assert is_home(back, name)


def test_whoever_is_signed_in_here_signs_in_there_again(pair: Pair, name: str) -> None:
    browser = pair.traveller()
    assert is_home(pair.there_and_back(browser, Page(browser.open(f"{pair.ours.url}/login")), name), name)
    page = Page(browser.submit(Page(browser.open(f"{pair.ours.url}/login")), f"upstream-{NAME}"))
    assert "login" in page.forms
    assert page.response.url.startswith(pair.theirs.url)


def test_whoever_cancels_there_is_told_here(pair: Pair, name: str) -> None:
    browser = pair.traveller()
    page = Page(browser.submit(Page(browser.open(f"{pair.ours.url}/login")), f"upstream-{NAME}"))
    assert stopped(browser.submit(page, "cancel")) == "denied"


def test_a_key_that_was_rotated_there_is_found(pair: Pair, name: str) -> None:
    pair.theirs.cli("keys", "rotate", "--alg", "RS256", "--now")
    browser = pair.traveller()
    assert is_home(pair.there_and_back(browser, Page(browser.open(f"{pair.ours.url}/login")), name), name)


def test_a_wrong_secret_of_ours_is_told_in_words(pair: Pair, name: str) -> None:
    update = ("upstream", "update", NAME, "--file", "-")
    pair.ours.cli(*update, stdin=json.dumps({"client_secret": "another secret, as long as secrets are"}))
    browser = pair.traveller()
    response = pair.there_and_back(browser, Page(browser.open(f"{pair.ours.url}/login")), name)
    pair.ours.cli(*update, stdin=json.dumps({"client_secret": pair.client["client_secret"]}))
    assert stopped(response) == "untrusted"
