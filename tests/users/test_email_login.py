"""Signing in by mail: a code or a link, once, in the browser that asked, and nothing told to strangers."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
import requests
import sqlalchemy as sa

from idp.settings_source import load
from idp.users.models import EmailLoginRow
from tests.support import databases
from tests.support.crowds import crowd
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import RunningIdp
from tests.users.mail import letter_about, link_in

ASK = "/login/email"


@pytest.fixture(scope="module", params=databases.KINDS)
def idp(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider that signs people in by mail; once on SQLite and once on PostgreSQL."""
    with contextlib.ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        settings = {"email_login": "true", "email_login_max_per_address": "1000", "code_max_failures": "5"}
        yield stack.enter_context(RunningIdp(tmp_path_factory.mktemp("by-mail"), url, **settings))


@pytest.fixture(scope="module")
def web_app(idp: RunningIdp) -> App:
    metadata = {"security_profile": "oidc", "consent": "trusted", "redirect_uris": ["https://app.test/callback"]}
    return App(idp.url, idp.client(client_name="Web App", **metadata))


@pytest.fixture
def person(idp: RunningIdp) -> str:
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name, "--email-verified")
    return name


def address(name: str) -> str:
    return f"{name}@example.com"


def letter_to(idp: RunningIdp, name: str) -> EmailMessage:
    return letter_about(idp, address(name), "code to sign in")


def code_in(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    assert body is not None
    return re.findall(r"^(\d{4} \d{4})\s*$", body.get_content(), re.MULTILINE)[0]


def asked(idp: RunningIdp, browser: Browser, email: str, flow: str = "") -> Page:
    """The page that waits for the code."""
    page = Page(browser.open(f"{idp.url}{ASK}{flow}"))
    return Page(browser.submit(page, "email-login", email=email))


def begun(app: App, browser: Browser) -> tuple[str, str]:
    """A login that an app asks for: the query that names it, and the PKCE verifier."""
    url, verifier = app.authorize_url()
    return "?flow=" + Page(browser.open(url)).forms["login"].fields["flow"], verifier


def is_signed_in(idp: RunningIdp, browser: Browser) -> bool:
    return "You are signed in as" in browser.open(idp.url).text


def test_a_code_signs_in_for_the_app_that_waits(idp: RunningIdp, web_app: App, browser: Browser, person: str) -> None:
    flow, verifier = begun(web_app, browser)
    waiting = asked(idp, browser, address(person), flow)
    answer = answer_of(browser.submit(waiting, "email-code", code=code_in(letter_to(idp, person))))
    token = claims(web_app.redeem(answer["code"], verifier).json()["id_token"])
    assert (token["amr"], token["acr"]) == (["otp"], "1fa")


def test_a_link_signs_in_after_a_click_and_looking_does_not_use_it(
    idp: RunningIdp, web_app: App, browser: Browser, person: str
) -> None:
    flow, _ = begun(web_app, browser)
    asked(idp, browser, address(person), flow)
    link = link_in(letter_to(idp, person))
    assert link.startswith(f"{idp.url}{ASK}/link?token=")
    for _ in range(3):
        requests.get(link, timeout=30)
        page = Page(browser.open(link))
    assert not is_signed_in(idp, browser)
    assert "code" in answer_of(browser.submit(page, "email-link"))
    assert browser.open(link).status_code == 400


def test_a_link_in_another_browser_says_where_to_go_on_and_signs_nobody_in(idp: RunningIdp, person: str) -> None:
    browser, other = Browser(idp.url), Browser(idp.url)
    waiting = asked(idp, browser, address(person))
    letter = letter_to(idp, person)
    link = link_in(letter)
    page = Page(other.open(link))
    assert (page.main["id"], page.forms) == ("elsewhere", {})
    form = Page(browser.open(link)).forms["email-link"]
    forged = other.http.post(form.action, data=form.fields, timeout=30)
    assert forged.status_code == 400
    assert not is_signed_in(idp, other)
    browser.submit(waiting, "email-code", code=code_in(letter))
    assert is_signed_in(idp, browser)


def test_a_code_is_good_in_the_browser_that_asked_alone(idp: RunningIdp, person: str) -> None:
    browser, thief = Browser(idp.url), Browser(idp.url)
    form = asked(idp, browser, address(person)).forms["email-code"]
    own = asked(idp, thief, address(f"nobody-{secrets.token_hex(4)}")).forms["email-code"]
    data = {**own.fields, "login": form.fields["login"], "code": code_in(letter_to(idp, person))}
    assert thief.http.post(form.action, data=data, timeout=30).status_code == 400
    assert not is_signed_in(idp, thief)


def test_a_code_is_used_up_with_its_link(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    waiting = asked(idp, browser, address(person))
    letter = letter_to(idp, person)
    browser.submit(waiting, "email-code", code=code_in(letter))
    assert browser.submit(waiting, "email-code", code=code_in(letter)).status_code == 400
    assert browser.open(link_in(letter)).status_code == 400


def test_wrong_codes_are_limited_and_then_the_right_one_is_wrong_too(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    waiting = asked(idp, browser, address(person))
    code = code_in(letter_to(idp, person))
    for wrong in ("", "x", "00000000", "1" * 64, "１２３４５６７８"):
        assert browser.submit(waiting, "email-code", code=wrong).status_code == 400
    assert browser.submit(waiting, "email-code", code=code).status_code == 400
    assert not is_signed_in(idp, browser)


def test_known_unknown_and_unconfirmed_addresses_get_the_same_answer(idp: RunningIdp, person: str) -> None:
    unconfirmed = f"new-{secrets.token_hex(4)}"
    idp.user(unconfirmed)
    pages = []
    for name in (person, unconfirmed, f"nobody-{secrets.token_hex(4)}"):
        browser = Browser(idp.url)
        page = asked(idp, browser, address(name))
        wrong = browser.submit(page, "email-code", code="12345678")
        hidden = r'value="[^"]+"|login=[\w-]+'
        pages.append(
            (page.response.status_code, re.sub(hidden, "", page.response.text), re.sub(hidden, "", wrong.text))
        )
    assert pages[0] == pages[1] == pages[2]
    letter_to(idp, person)
    told = [path.read_text() for path in (idp.folder / "mail").glob("*.eml")]
    assert not [text for text in told if "code to sign in" in text and unconfirmed in text]


def test_a_letter_that_is_late_opens_nothing(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    waiting = asked(idp, browser, address(person))
    letter = letter_to(idp, person)
    database = databases.open_database(load(idp.environ).database)
    with database.write() as tx:
        tx.execute(sa.update(EmailLoginRow).values(expires_at=EmailLoginRow.expires_at - 600))
    database.engine.dispose()
    assert browser.submit(waiting, "email-code", code=code_in(letter)).status_code == 400
    assert browser.open(link_in(letter)).status_code == 400
    assert not is_signed_in(idp, browser)


def test_a_letter_to_an_address_they_have_no_more_opens_nothing(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    waiting = asked(idp, browser, address(person))
    letter = letter_to(idp, person)
    idp.cli("user", "update", person, "--email", f"{person}@elsewhere.example", "--email-verified")
    assert browser.submit(waiting, "email-code", code=code_in(letter)).status_code == 400
    assert browser.open(link_in(letter)).status_code == 400


def test_asking_is_limited_alike_for_known_and_unknown_addresses(idp: RunningIdp, person: str) -> None:
    for email in (address(person), f"nobody-{secrets.token_hex(4)}@example.com"):
        browser = Browser(idp.url)
        assert [asked(idp, browser, email).response.status_code for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.parametrize("query", ["", "?login=x", "?login=%00", "?token=x", "?flow=x", "?flow=account.none"])
def test_pages_out_of_order_are_refused_politely(idp: RunningIdp, query: str) -> None:
    for path in (f"{ASK}/code", f"{ASK}/link"):
        response = Browser(idp.url).open(f"{idp.url}{path}{query}")
        assert response.status_code == 400
        assert "<main" in response.text


@pytest.mark.parametrize("by", ["code", "link"])
def test_of_a_thousand_uses_at_once_one_counts(idp: RunningIdp, person: str, by: str) -> None:
    browser = Browser(idp.url)
    waiting = asked(idp, browser, address(person))
    letter = letter_to(idp, person)
    form, fields = waiting.forms["email-code"], {"code": code_in(letter)}
    if by == "link":
        form, fields = Page(browser.open(link_in(letter))).forms["email-link"], {}
    answers = crowd([(form, browser.http.cookies.get_dict())], **fields)
    assert sorted({answer.status_code for answer in answers}) == [303, 400]
    assert [answer.status_code for answer in answers].count(303) == 1
