"""Accounts that begin with a passkey: never half made, never with another's, and led back to the app."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.passkeys.holder import FORM, Holder, codes_of, options_of
from tests.support import databases
from tests.support.authenticator import Authenticator
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import RunningIdp
from tests.users.joining import joined

SIGNUP, STEP = "/signup/passkey", "signup-passkey"


@pytest.fixture(scope="module", params=databases.KINDS)
def open_idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider that lets strangers make accounts; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        settings = {"signup": "on", "signup_max": "1000"}
        yield stack.enter_context(RunningIdp(tmp_path_factory.mktemp("open"), url, host="localhost", **settings))


@pytest.fixture
def stranger(open_idp: RunningIdp) -> Browser:
    return Browser(open_idp.url)


@pytest.fixture
def name() -> str:
    return f"new-{secrets.token_hex(4)}"


def begun(idp: RunningIdp, stranger: Browser, name: str, query: str = "") -> requests.Response:
    """The page that asks for the passkey, once the address is proved."""
    page = Page(stranger.open(f"{stranger.home}{SIGNUP}{query}"))
    fields = {"username": name, "email": f"{name}@example.com", "name": "New Person"}
    return joined(idp, stranger, page, **fields)


def test_an_account_begins_with_a_passkey(open_idp: RunningIdp, stranger: Browser, name: str) -> None:
    client = open_idp.client(client_name="App", redirect_uris=["https://app.test/cb"], consent="trusted")
    app = App(open_idp.url, client)
    url, verifier = app.authorize_url(prompt="create", scope="openid profile", nonce="n")
    signup = stranger.open(url)
    assert "Create an account with a passkey" in signup.text
    flow = Page(signup).forms["signup"].fields["flow"]
    page = begun(open_idp, stranger, name, f"?flow={flow}")
    device, options = Authenticator(open_idp.url), options_of(page)
    assert options["user"]["name"] == name
    assert options["user"]["displayName"] == "New Person"
    welcome = stranger.submit(Page(page), STEP, response=device.create(options))
    assert len(codes_of(welcome)) == 10
    assert "idp-session" not in stranger.http.cookies
    assert f"/login?flow={flow}" in welcome.text
    holder = Holder(open_idp, name, device)
    answer = answer_of(holder.answer(stranger, stranger.open(f"{open_idp.url}/login?flow={flow}")))
    told = claims(app.redeem(answer["code"], verifier).json()["id_token"])
    assert told["acr"] == "phr"
    assert told["sub"] == open_idp.cli("user", "show", name)["sub"]
    assert open_idp.cli("user", "show", name)["email_verified"] is True


def test_a_name_that_is_taken_is_said_before_a_passkey_is_made(
    stranger: Browser, open_idp: RunningIdp, name: str
) -> None:
    open_idp.user(name, "--email", f"{name}-owner@example.com")
    refused = begun(open_idp, stranger, name)
    assert refused.status_code == 400
    assert "is taken" in refused.text
    assert STEP not in Page(refused).forms


def test_a_name_that_was_taken_meanwhile_makes_no_account(stranger: Browser, open_idp: RunningIdp, name: str) -> None:
    page = begun(open_idp, stranger, name)
    device = Authenticator(open_idp.url)
    made = device.create(options_of(page))
    open_idp.user(name, "--email", f"{name}-owner@example.com")
    refused = stranger.submit(Page(page), STEP, response=made)
    assert refused.status_code == 400
    assert "is taken" in refused.text
    login = Holder(open_idp, name, device).sign_in(Browser(open_idp.url))
    assert login.status_code == 400


@pytest.mark.parametrize("change", ["sub", "browser", "garbage", "origin", "again"])
def test_what_was_not_made_for_this_sign_up_makes_no_account(
    stranger: Browser, open_idp: RunningIdp, name: str, change: str
) -> None:
    page = begun(open_idp, stranger, name)
    lies = {"origin": "https://evil.test"} if change == "origin" else {}
    made = Authenticator(open_idp.url).create(options_of(page), **lies)
    form, poster, fields = Page(page), stranger, {"response": made}
    match change:
        case "sub":
            fields["sub"] = open_idp.user(f"{name}-2")["sub"]
        case "browser":
            poster = Browser(open_idp.url)
            form = Page(begun(open_idp, poster, f"{name}-2"))
        case "garbage":
            fields["response"] = "{"
        case "again":
            assert stranger.submit(form, STEP, **fields).status_code == 200
            fields |= {"username": f"{name}-3", "email": f"{name}-3@example.com"}
    refused = poster.submit(form, STEP, **fields)
    assert refused.status_code == 400
    assert Page(refused).forms.keys() >= {"signup"}
    people = [person["username"] for person in open_idp.cli("user", "list")]
    expected = {"sub": {f"{name}-2"}, "again": {name}}.get(change, set())
    assert {person for person in people if person.startswith(name)} == expected


def test_of_many_who_want_one_name_at_once_none_is_half_made(open_idp: RunningIdp, name: str) -> None:
    ready = []
    for _ in range(3):
        browser, device = Browser(open_idp.url), Authenticator(open_idp.url)
        page = begun(open_idp, browser, name)
        ready.append((browser, Page(page), device, device.create(options_of(page))))
    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(lambda one: one[0].submit(one[1], STEP, response=one[3]).status_code, ready))
    assert sorted(statuses) == [200, 400, 400]
    logins = [Holder(open_idp, name, device).sign_in(Browser(open_idp.url)).status_code for _, _, device, _ in ready]
    assert logins == statuses


def test_where_sign_up_is_off_there_is_none_with_a_passkey(idp: RunningIdp) -> None:
    assert Browser(idp.url).open(f"{idp.url}{SIGNUP}").status_code == 404
    assert FORM in Page(Browser(idp.url).open(f"{idp.url}/login")).forms
