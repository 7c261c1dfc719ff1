"""Another password for somebody who is signed in: who may choose it, what ends with the old one, and which passwords are refused everywhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import sqlalchemy as sa

from idp.settings_source import load
from idp.users.models import SessionRow
from tests.support import databases
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import PASSWORD, CliError, RunningIdp
from tests.users.mail import letter_about
from tests.users.test_password_recovery import NEW, asked, can_log_in, choose

PATH = "/account/password"


def signed_in(idp: RunningIdp, name: str, path: str = PATH) -> Browser:
    browser = Browser(idp.url)
    page = Page(browser.open(f"{idp.url}{path}"))
    assert "login" not in Page(browser.submit(page, "login", username=name, password=PASSWORD)).forms
    return browser


def change(idp: RunningIdp, browser: Browser, password: str = NEW, **fields: str) -> requests.Response:
    page = Page(browser.open(f"{idp.url}{PATH}"))
    return browser.submit(page, "password-change", password=password, **fields)


def age(idp: RunningIdp, name: str, seconds: int = 3000) -> None:
    """Let the logins of a person lie further back."""
    sub = idp.cli("user", "show", name)["sub"]
    database = databases.open_database(load(idp.environ).database)
    with database.write() as tx:
        older = sa.update(SessionRow).where(SessionRow.sub == sub).values(auth_time=SessionRow.auth_time - seconds)
        tx.execute(older)
    database.engine.dispose()


def test_a_new_password_ends_every_other_session_and_its_tokens_and_this_browser_goes_on(
    idp: RunningIdp, web_app: App, person: str
) -> None:
    elsewhere = Browser(idp.url)
    tokens = web_app.tokens(elsewhere, person, scope="openid offline_access")
    browser = signed_in(idp, person)
    before = browser.http.cookies["idp-session"]
    assert "new password is set" in change(idp, browser).text
    assert browser.http.cookies["idp-session"] != before
    assert "password-change" in Page(browser.open(f"{idp.url}{PATH}")).forms
    assert answer_of(elsewhere.open(web_app.authorize_url(prompt="none")[0]))["error"] == "login_required"
    assert web_app.userinfo(tokens["access_token"]).status_code == 401
    assert web_app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert can_log_in(idp, web_app, person, NEW)
    assert not can_log_in(idp, web_app, person, PASSWORD)
    letter_about(idp, f"{person}@example.com", "password was changed")


def test_the_cookie_of_before_is_worth_nothing(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    thief = Browser(idp.url)
    thief.http.cookies.update(browser.http.cookies)
    change(idp, browser)
    assert "login" in Page(thief.open(f"{idp.url}{PATH}")).forms


def test_of_many_changes_at_once_one_counts(idp: RunningIdp, web_app: App, person: str) -> None:
    browsers = [signed_in(idp, person) for _ in range(6)]
    pages = [(browser, Page(browser.open(f"{idp.url}{PATH}"))) for browser in browsers]
    passwords = [f"{NEW} number {number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda one: one[0][0].submit(one[0][1], "password-change", password=one[1]),
                zip(pages, passwords, strict=True),
            )
        )
    (winner,) = [word for answer, word in zip(answers, passwords, strict=True) if "is set" in answer.text]
    assert can_log_in(idp, web_app, person, winner)
    assert all("login" in Page(answer).forms for answer in answers if "is set" not in answer.text)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "password1234567",
        "Password Password",
        "{name}{name}",
        "{name}12345678",
        "account account 1",
        "x" * 1025,
    ],
)
def test_a_bad_password_is_refused_at_change_reset_and_command_line_alike(
    idp: RunningIdp, web_app: App, person: str, password: str
) -> None:
    bad = password.format(name=person)
    refused = change(idp, signed_in(idp, person), bad)
    assert refused.status_code == 400
    assert "password-change" in Page(refused).forms
    assert choose(idp, asked(idp, person), bad).status_code == 400
    with pytest.raises(CliError):
        idp.cli("user", "set-password", person, "--password-stdin", stdin=f"{bad}\n")
    assert can_log_in(idp, web_app, person, PASSWORD)


def test_nobody_else_gets_to_the_page(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    assert "login" in Page(browser.open(f"{idp.url}{PATH}")).forms
    owner = signed_in(idp, person)
    form = Page(owner.open(f"{idp.url}{PATH}")).forms["password-change"]
    foreign = signed_in(idp, "alice")
    data = {**form.fields, "password": NEW}
    assert foreign.http.post(form.action, data=data, timeout=30).status_code == 400


def test_a_password_is_read_from_the_first_field_of_its_name_only(idp: RunningIdp, person: str) -> None:
    owner = signed_in(idp, person)
    form = Page(owner.open(f"{idp.url}{PATH}")).forms["password-change"]
    data = [*form.fields.items(), ("password", NEW), ("password", f"{NEW} too")]
    assert owner.http.post(form.action, data=data, timeout=30).status_code == 400


def test_the_page_says_how_it_is_filled_in(idp: RunningIdp, person: str) -> None:
    text = signed_in(idp, person).open(f"{idp.url}{PATH}").text
    assert 'autocomplete="new-password"' in text
    assert 'autocomplete="username"' in text
    assert "At least 15 characters" in text


def test_some_time_after_the_login_the_current_password_is_asked_for(
    idp: RunningIdp, web_app: App, person: str
) -> None:
    browser = signed_in(idp, person)
    assert "current" not in Page(browser.open(f"{idp.url}{PATH}")).forms["password-change"].fields
    age(idp, person)
    page = Page(browser.open(f"{idp.url}{PATH}"))
    assert 'autocomplete="current-password"' in page.response.text
    for wrong in ("", "wrong", NEW):
        assert change(idp, browser, current=wrong).status_code == 400
    assert can_log_in(idp, web_app, person, PASSWORD)
    assert "is set" in change(idp, browser, current=PASSWORD).text
    assert can_log_in(idp, web_app, person, NEW)


def test_guessing_the_current_password_is_limited_whatever_runs_at_once(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    age(idp, person)
    form = Page(browser.open(f"{idp.url}{PATH}")).forms["password-change"]
    data = {**form.fields, "current": "wrong", "password": NEW}
    cookies = browser.http.cookies.get_dict()
    with ThreadPoolExecutor(12) as pool:
        statuses = list(
            pool.map(
                lambda _: requests.post(form.action, data=data, cookies=cookies, timeout=60).status_code, range(12)
            )
        )
    assert sorted(statuses) == [400] * 10 + [429] * 2
    blocked = change(idp, browser, current=PASSWORD)
    assert blocked.status_code == 429
    assert "Too many attempts" in blocked.text


def test_the_moment_of_the_login_stays_what_it_was(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    age(idp, person)
    change(idp, browser, current=PASSWORD)
    assert "login" in Page(browser.open(f"{idp.url}/account/security/authenticator")).forms
