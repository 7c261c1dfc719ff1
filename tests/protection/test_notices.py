"""What people are told by mail: sign-ins in new browsers, and every change of what protects them."""

from __future__ import annotations

from tests.protection.people import SECURITY, Someone, opened
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp


def test_a_sign_in_in_a_new_browser_is_told_but_never_the_first_of_all(idp: RunningIdp) -> None:
    person, first, second = Someone.new(idp), Browser(idp.url), Browser(idp.url)
    person.sign_in(first)
    first.http.cookies.pop("idp-session")
    person.sign_in(first)
    person.sign_in(second)
    (letter,) = person.letters(1)
    assert "new sign-in" in letter["Subject"]
    body = letter.get_body(("plain",))
    assert body is not None
    assert "127.0.0.1" in body.get_content()
    assert f"{idp.url}{SECURITY}" in body.get_content()


def test_a_wrong_password_in_a_new_browser_is_not_told(idp: RunningIdp, web_app: App) -> None:
    person, home, stranger = Someone.new(idp), Browser(idp.url), Browser(idp.url)
    person.sign_in(home)
    page, _ = opened(web_app, stranger)
    stranger.submit(page, "login", username=person.name, password="wrong")
    person.sign_in(Browser(idp.url))
    assert len(person.letters(1)) == 1


def test_every_change_of_the_second_factor_is_told(idp: RunningIdp, browser: Browser) -> None:
    person = Someone.new(idp)
    person.enrol(browser)
    page = Page(browser.open(f"{idp.url}{SECURITY}"))
    browser.submit(page, "codes-renew")
    browser.submit(page, "authenticator-remove")
    subjects = [letter["Subject"] for letter in person.letters(3)]
    assert [subject.split(": ")[1] for subject in subjects] == [
        "an authenticator app was added",
        "new recovery codes were made",
        "your authenticator app was removed",
    ]


def test_a_recovery_code_is_told_when_it_was_used(idp: RunningIdp, web_app: App, browser: Browser) -> None:
    person = Someone.new(idp)
    _, codes = person.enrol(browser)
    again = Browser(idp.url)
    page, _ = opened(web_app, again)
    page = Page(again.submit(page, "login", username=person.name, password=PASSWORD))
    page = Page(again.open(f"{idp.url}/login/recovery?step={page.forms['otp'].fields['step']}"))
    again.submit(page, "recovery", code="wrong")
    again.submit(page, "recovery", code=codes[0])
    subjects = {letter["Subject"].split(": ")[1] for letter in person.letters(3)}
    assert subjects == {"an authenticator app was added", "a recovery code was used", "new sign-in to your account"}
