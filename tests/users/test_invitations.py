"""Accounts by invitation: who holds a link makes one, once, with the roles and the address of the invitation; nobody else does."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from idp.settings_source import load
from idp.users.models import InvitationRow
from tests.passkeys.holder import codes_of, options_of
from tests.support import databases
from tests.support.authenticator import Authenticator
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, CliError, RunningIdp
from tests.users.mail import letter_about, link_in

INVITED = "you are invited"


@pytest.fixture(scope="module", params=databases.KINDS)
def club(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider where accounts are made by invitation; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        settings = {"signup": "invite", "signup_max": "1000"}
        yield stack.enter_context(RunningIdp(tmp_path_factory.mktemp("club"), url, host="localhost", **settings))


@pytest.fixture
def address() -> str:
    return f"guest-{secrets.token_hex(4)}@example.com"


def invited(club: RunningIdp, address: str, *options: str) -> str:
    """The link that comes by mail."""
    club.cli("user", "invite", address, *options)
    return link_in(letter_about(club, address, INVITED))


def sign_up(club: RunningIdp, link: str, **fields: str) -> requests.Response:
    browser = Browser(club.url)
    page = Page(browser.open(link))
    if "signup" not in page.forms:
        return page.response
    name = f"guest-{secrets.token_hex(4)}"
    return browser.submit(page, "signup", **{"username": name, "password": PASSWORD, **fields})


def told(club: RunningIdp, name: str) -> dict[str, Any]:
    document: dict[str, Any] = club.cli("user", "show", name)
    return document


def test_the_link_makes_one_account_with_its_roles_and_a_confirmed_address(club: RunningIdp, address: str) -> None:
    link = invited(club, address, "--role", "editor", "--role", "reader")
    assert link.startswith(f"{club.url}/signup?invitation=")
    assert requests.get(link, timeout=30).status_code == 200  # looking does not use it
    assert "login" in Page(sign_up(club, link)).forms
    made = told(club, address)
    assert (made["email_verified"], made["roles"]) == (True, ["editor", "reader"])
    refused = sign_up(club, link)
    assert (refused.status_code, Page(refused).main["data-error"]) == (403, "invitation")
    assert "used up" in refused.text


def test_the_address_and_the_roles_are_the_invitations_whatever_the_form_says(club: RunningIdp, address: str) -> None:
    sign_up(club, invited(club, address), email="other@example.com", roles="admin", email_verified="1")
    assert told(club, address)["roles"] == []
    with pytest.raises(CliError):
        told(club, "other@example.com")


def test_an_invited_person_may_begin_with_a_passkey(club: RunningIdp, address: str) -> None:
    link = invited(club, address, "--role", "editor")
    browser, name = Browser(club.url), f"guest-{secrets.token_hex(4)}"
    assert "/signup/passkey?invitation=" in browser.open(link).text
    page = Page(browser.open(link.replace("/signup?", "/signup/passkey?")))
    page = Page(browser.submit(page, "signup", username=name, email="other@example.com"))
    response = Authenticator(club.url).create(options_of(page.response))
    assert len(codes_of(browser.submit(page, "signup-passkey", response=response))) == 10
    made = told(club, name)
    assert (made["email"], made["email_verified"], made["roles"]) == (address, True, ["editor"])
    assert sign_up(club, link).status_code == 403


def test_without_an_invitation_nobody_makes_an_account_and_the_page_says_why(club: RunningIdp, address: str) -> None:
    for path in ("/signup", "/signup/passkey"):
        page = requests.get(f"{club.url}{path}", timeout=30)
        assert page.status_code == 403
        assert "by invitation" in page.text
        assert "/login" in page.text
    link = invited(club, address)
    browser = Browser(club.url)
    form = Page(browser.open(link)).forms["signup"]
    data = {**form.fields, "username": "stranger", "email": "stranger@example.com", "password": PASSWORD}
    for held in ({"invitation": ""}, {"invitation": secrets.token_urlsafe(32)}):
        assert browser.http.post(form.action, data={**data, **held}, timeout=30).status_code == 403
    with pytest.raises(CliError):
        told(club, "stranger")


def test_the_login_page_offers_no_account(club: RunningIdp) -> None:
    assert "Create an account" not in requests.get(f"{club.url}/login", timeout=30).text


def test_a_refused_form_leaves_the_invitation_good(club: RunningIdp, address: str) -> None:
    link = invited(club, address)
    weak = sign_up(club, link, password="short")
    assert weak.status_code == 400
    assert address in weak.text
    club.user(taken := f"taken-{secrets.token_hex(4)}")
    assert sign_up(club, link, username=taken).status_code == 400
    assert "login" in Page(sign_up(club, link)).forms


def test_of_many_uses_at_once_one_makes_an_account(club: RunningIdp, address: str) -> None:
    link = invited(club, address)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: sign_up(club, link), range(6)))
    assert len([answer for answer in answers if "login" in Page(answer).forms]) == 1
    assert {answer.status_code for answer in answers} <= {200, 400, 403}
    told(club, address)


def test_invitations_are_listed_and_withdrawn(club: RunningIdp, address: str) -> None:
    link = invited(club, address, "--role", "editor")
    (listed,) = [one for one in club.cli("user", "invitations") if one["email"] == address]
    assert listed["roles"] == ["editor"]
    assert listed["expires_at"] - listed["created_at"] == 3 * 86400
    assert link.rpartition("=")[2] not in str(listed)
    assert club.cli("user", "withdraw", listed["id"])["withdrawn"] is True
    assert sign_up(club, link).status_code == 403
    assert address not in str(club.cli("user", "invitations"))
    with pytest.raises(CliError):
        club.cli("user", "withdraw", address)


def test_another_invitation_takes_the_place_of_the_one_before(club: RunningIdp, address: str) -> None:
    first = invited(club, address)
    second = club.cli("user", "invite", address.upper(), "--role", "editor")["link"]
    assert sign_up(club, first).status_code == 403
    assert "login" in Page(sign_up(club, second)).forms
    assert told(club, address)["roles"] == ["editor"]


def test_three_days_later_it_is_worth_nothing(club: RunningIdp, address: str) -> None:
    link = invited(club, address)
    database = databases.open_database(load(club.environ).database)
    with database.write() as tx:
        later = sa.update(InvitationRow).where(InvitationRow.email == address)
        tx.execute(later.values(expires_at=InvitationRow.expires_at - 3 * 86400))
    database.engine.dispose()
    assert sign_up(club, link).status_code == 403
    assert address not in str(club.cli("user", "invitations"))


def test_who_has_an_account_is_not_invited(club: RunningIdp, address: str) -> None:
    club.cli("user", "create", f"there-{secrets.token_hex(4)}", "--email", address)
    with pytest.raises(CliError, match="already"):
        club.cli("user", "invite", address)


@pytest.mark.parametrize("arguments", [("nobody",), ("a@b.example", "--role", "No Role")])
def test_what_can_be_no_account_is_not_invited(club: RunningIdp, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CliError):
        club.cli("user", "invite", *arguments)


def test_nobody_is_invited_where_nobody_could_follow(idp: RunningIdp, address: str) -> None:
    with pytest.raises(CliError, match="IDP_SIGNUP"):
        idp.cli("user", "invite", address)


def test_prompt_create_asks_for_the_invitation(club: RunningIdp) -> None:
    """Initiating User Registration via OpenID Connect 1.0 §4"""
    metadata = requests.get(f"{club.url}/.well-known/openid-configuration", timeout=30).json()
    assert "create" in metadata["prompt_values_supported"]
    app = App(club.url, club.client(client_name="App", redirect_uris=["https://app.test/callback"]))
    browser = Browser(club.url)
    asked = browser.open(app.authorize_url(prompt="create")[0])
    assert (asked.status_code, Page(asked).main["data-error"]) == (403, "invitation")
    login = asked.text.partition("/login?flow=")[2].partition('"')[0]
    assert "login" in Page(browser.open(f"{club.url}/login?flow={login}")).forms
