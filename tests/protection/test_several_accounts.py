"""Several people side by side in one browser: chosen, hinted at, set aside, signed out, and never mixed up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
import sqlalchemy as sa

from idp.settings_source import load
from idp.users.models import SessionRow
from tests.protection.people import Someone, finished, opened, secret_on
from tests.support import databases
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp
from tests.support.totp import earlier

SWITCH = "/account/switch"


@dataclass(frozen=True)
class Pair:
    """Two people side by side in one browser, the second one active."""

    browser: Browser
    one: Someone
    two: Someone


def sign_in(browser: Browser, page: Page, person: Someone) -> requests.Response:
    return browser.submit(page, "login", username=person.name, password=PASSWORD)


def switch_page(browser: Browser) -> Page:
    return Page(browser.open(f"{browser.home}{SWITCH}"))


def listed(page: Page) -> list[str]:
    """Whom the chooser lists, by address."""
    return re.findall(r"<strong>[^<]*</strong><span>([^<·]*?)(?: · signed out)?</span>", page.response.text)


def form_of(page: Page, person: Someone) -> str:
    return f"account-{listed(page).index(person.address) + 1}"


def active(browser: Browser) -> str | None:
    """Who is active, as the home page says."""
    found = re.findall(r"You are signed in as <strong>([^<]*)</strong>", browser.open(f"{browser.home}/").text)
    return found[0] if found else None


@pytest.fixture
def pair(idp: RunningIdp, browser: Browser) -> Iterator[Pair]:
    one, two = Someone.new(idp), Someone.new(idp)
    sign_in(browser, Page(browser.open(f"{idp.url}/login")), one)
    sign_in(browser, switch_page(browser), two)
    yield Pair(browser, one, two)


@pytest.fixture(scope="session")
def trusted(idp: RunningIdp) -> App:
    """An app that asks for no consent."""
    metadata = {"security_profile": "oidc", "consent": "trusted", "redirect_uris": ["https://trusted.test/callback"]}
    return App(idp.url, idp.client(client_name="Trusted", **metadata))


def told(app: App, answer: dict[str, str], verifier: str) -> dict[str, object]:
    return claims(app.redeem(answer["code"], verifier).json()["id_token"])


# -- choosing ---------------------------------------------------------------------------------------------------------


def test_select_account_lists_who_is_here_and_goes_on_as_whom_is_chosen(trusted: App, pair: Pair) -> None:
    for person in (pair.one, pair.two, pair.one):
        page, verifier = opened(trusted, pair.browser, prompt="select_account")
        assert set(listed(page)) == {pair.one.address, pair.two.address}
        answer = answer_of(pair.browser.submit(page, form_of(page, person)))
        assert told(trusted, answer, verifier)["sub"] == person.sub
        assert active(pair.browser) == person.name


def test_choosing_is_no_login(trusted: App, pair: Pair) -> None:
    page, verifier = opened(trusted, pair.browser)
    first = told(trusted, answer_of(page.response), verifier)
    page, verifier = opened(trusted, pair.browser, prompt="select_account")
    second = told(trusted, answer_of(pair.browser.submit(page, form_of(page, pair.two))), verifier)
    assert [second[name] for name in ("sub", "sid", "auth_time")] == [
        first[name] for name in ("sub", "sid", "auth_time")
    ]


def test_with_nobody_here_select_account_is_the_login_page(trusted: App, idp: RunningIdp, browser: Browser) -> None:
    page, _ = opened(trusted, browser, prompt="select_account")
    assert listed(page) == []
    assert "code" in answer_of(sign_in(browser, page, Someone.new(idp)))


def test_another_account_is_added_beside_those_that_are_here(trusted: App, idp: RunningIdp, pair: Pair) -> None:
    third = Someone.new(idp)
    page, verifier = opened(trusted, pair.browser, prompt="select_account")
    assert told(trusted, answer_of(sign_in(pair.browser, page, third)), verifier)["sub"] == third.sub
    assert listed(switch_page(pair.browser)) == [third.address, pair.two.address, pair.one.address]


def test_without_being_asked_to_choose_the_active_one_is_taken(trusted: App, pair: Pair) -> None:
    page, verifier = opened(trusted, pair.browser)
    assert told(trusted, answer_of(page.response), verifier)["sub"] == pair.two.sub


@pytest.mark.parametrize("prompt", ["select_account login", "select_account"])
def test_who_was_chosen_still_meets_what_the_app_wants(trusted: App, pair: Pair, prompt: str) -> None:
    page, verifier = opened(trusted, pair.browser, prompt=prompt, max_age="0")
    page = Page(pair.browser.submit(page, form_of(page, pair.one)))
    assert listed(page) == []
    assert page.forms["login"].fields["username"] == pair.one.name
    assert told(trusted, answer_of(sign_in(pair.browser, page, pair.one)), verifier)["sub"] == pair.one.sub
    assert set(listed(switch_page(pair.browser))) == {pair.one.address, pair.two.address}


def test_a_second_factor_is_added_to_the_account_that_was_chosen(idp: RunningIdp, pair: Pair) -> None:
    metadata = {"second_factor": "required", "consent": "trusted", "redirect_uris": ["https://bank.test/callback"]}
    bank = App(idp.url, idp.client(client_name="Bank", **metadata))
    page, verifier = opened(bank, pair.browser, prompt="select_account")
    page = Page(pair.browser.submit(page, form_of(page, pair.one)))
    response = pair.browser.submit(page, "enrol", code=earlier(secret_on(page)))
    response = pair.browser.open(re.findall(r'href="([^"]*resume[^"]*)"', response.text)[0].replace("&amp;", "&"))
    identity = told(bank, answer_of(response), verifier)
    assert (identity["sub"], identity["acr"]) == (pair.one.sub, "2fa")
    page, _ = opened(bank, pair.browser, login_hint=pair.two.name)
    assert "enrol" in page.forms, "the other one still has a single factor"


# -- hints ------------------------------------------------------------------------------------------------------------


def test_a_login_hint_chooses_among_those_who_are_here(trusted: App, pair: Pair) -> None:
    for hint, expected in (
        (pair.one.name, pair.one),
        (pair.one.address.upper(), pair.one),
        (pair.two.name, pair.two),
        ("nobody", pair.two),
    ):
        page, verifier = opened(trusted, pair.browser, login_hint=hint, prompt="none")
        assert told(trusted, answer_of(page.response), verifier)["sub"] == expected.sub
    assert active(pair.browser) == pair.two.name, "a silent answer changes nothing in the browser"


def test_an_id_token_hint_chooses_among_those_who_are_here(trusted: App, idp: RunningIdp, pair: Pair) -> None:
    page, verifier = opened(trusted, pair.browser, login_hint=pair.one.name)
    hint = trusted.redeem(answer_of(page.response)["code"], verifier).json()["id_token"]
    page, verifier = opened(trusted, pair.browser, id_token_hint=hint, prompt="none")
    assert told(trusted, answer_of(page.response), verifier)["sub"] == pair.one.sub
    page, _ = opened(trusted, pair.browser, id_token_hint=hint, prompt="select_account")
    assert listed(page) == [pair.one.address], "nobody else will do"


def test_consent_is_asked_of_whom_a_hint_chose(web_app: App, pair: Pair) -> None:
    page, verifier = opened(web_app, pair.browser, login_hint=pair.one.name)
    assert pair.one.name in page.response.text
    assert pair.two.name not in page.response.text
    assert told(web_app, finished(pair.browser, page.response), verifier)["sub"] == pair.one.sub


def test_not_you_on_the_consent_page_leads_to_the_chooser(web_app: App, pair: Pair) -> None:
    page, verifier = opened(web_app, pair.browser)
    page = Page(pair.browser.submit(page, "consent", decision="switch"))
    assert set(listed(page)) == {pair.one.address, pair.two.address}
    page = Page(pair.browser.submit(page, form_of(page, pair.one)))
    assert told(web_app, finished(pair.browser, page.response), verifier)["sub"] == pair.one.sub


# -- apart ------------------------------------------------------------------------------------------------------------


def test_a_session_of_another_browser_cannot_be_chosen(idp: RunningIdp, pair: Pair) -> None:
    own = switch_page(pair.browser)
    thief = Browser(idp.url)
    thief_person = Someone.new(idp)
    sign_in(thief, Page(thief.open(f"{idp.url}/login")), thief_person)
    page = switch_page(thief)
    form = form_of(page, thief_person)
    page.forms[form].fields["sid"] = own.forms[form_of(own, pair.one)].fields["sid"]
    assert "login" in Page(thief.submit(page, form)).forms
    assert active(thief) == thief_person.name


def test_a_choice_that_we_did_not_offer_is_refused(pair: Pair) -> None:
    page = switch_page(pair.browser)
    form = form_of(page, pair.one)
    page.forms[form].fields["csrf"] = "0" * 64
    refused = pair.browser.submit(page, form)
    assert (refused.status_code, Page(refused).main["data-error"]) == (400, "expired")
    assert active(pair.browser) == pair.two.name


@pytest.mark.parametrize("value", ["", ".", "x.y.z", "%00", "a" * 4000, "." * 600])
def test_a_made_up_cookie_of_others_is_nobody(idp: RunningIdp, pair: Pair, value: str) -> None:
    session = pair.browser.http.cookies["idp-session"]
    cookies = f"idp-session={session}; idp-aside={value}"
    response = requests.get(f"{idp.url}/", headers={"Cookie": cookies}, timeout=30)
    assert response.status_code == 200
    assert pair.two.name in response.text


def test_what_one_does_leaves_the_other_alone(idp: RunningIdp, trusted: App, pair: Pair) -> None:
    """A password change of the active one ends their sessions, and nobody else's."""
    idp.cli("user", "set-password", pair.two.name, "--password-stdin", stdin="another horse 47 staple\n")
    assert active(pair.browser) is None
    page = Page(pair.browser.open(f"{idp.url}/login"))
    assert listed(page) == [pair.one.address]
    pair.browser.submit(page, form_of(page, pair.one))
    assert active(pair.browser) == pair.one.name


def test_the_second_login_of_the_same_person_takes_their_seat(pair: Pair) -> None:
    sign_in(pair.browser, switch_page(pair.browser), pair.one)
    assert listed(switch_page(pair.browser)) == [pair.one.address, pair.two.address]
    assert active(pair.browser) == pair.one.name


def test_whose_session_ran_out_signs_in_again(idp: RunningIdp, pair: Pair) -> None:
    database = databases.open_database(load(idp.environ).database)
    with database.write() as tx:
        tx.execute(sa.update(SessionRow).where(SessionRow.sub == pair.one.sub).values(seen_at=1))
    database.engine.dispose()
    page = switch_page(pair.browser)
    assert "signed out" in page.response.text
    page = Page(pair.browser.submit(page, form_of(page, pair.one)))
    assert page.forms["login"].fields["username"] == pair.one.name
    sign_in(pair.browser, page, pair.one)
    assert active(pair.browser) == pair.one.name


def test_no_more_than_six_are_remembered(idp: RunningIdp, browser: Browser) -> None:
    people = [Someone.new(idp) for _ in range(8)]
    for person in people:
        sign_in(browser, switch_page(browser), person)
    assert listed(switch_page(browser)) == [person.address for person in people[:1:-1]]


# -- signing out ------------------------------------------------------------------------------------------------------


def sign_out(browser: Browser, person: Someone, confirm: str = "yes") -> requests.Response:
    page = switch_page(browser)
    sid = page.forms[form_of(page, person)].fields["sid"]
    question = Page(browser.open(f"{browser.home}/oauth/logout?account={sid}"))
    assert person.name in question.response.text
    return browser.submit(question, "logout", confirm=confirm)


def test_one_signs_out_and_the_other_stays(pair: Pair) -> None:
    assert sign_out(pair.browser, pair.one).status_code == 200
    assert active(pair.browser) == pair.two.name
    assert listed(switch_page(pair.browser)) == [pair.two.address]


def test_when_the_active_one_signs_out_nobody_takes_their_place_unasked(trusted: App, pair: Pair) -> None:
    sign_out(pair.browser, pair.two)
    assert active(pair.browser) is None
    page, verifier = opened(trusted, pair.browser)
    assert listed(page) == [pair.one.address]
    answer = answer_of(pair.browser.submit(page, form_of(page, pair.one)))
    assert told(trusted, answer, verifier)["sub"] == pair.one.sub


def test_all_sign_out_at_once(pair: Pair) -> None:
    sign_out(pair.browser, pair.two, "everybody")
    assert active(pair.browser) is None
    assert listed(switch_page(pair.browser)) == []


def test_an_app_signs_out_its_own_person_wherever_they_sit(trusted: App, pair: Pair) -> None:
    page, verifier = opened(trusted, pair.browser, login_hint=pair.one.name)
    hint = trusted.redeem(answer_of(page.response)["code"], verifier).json()["id_token"]
    response = pair.browser.open(f"{pair.browser.home}/oauth/logout?id_token_hint={hint}")
    assert 'id="signed-out"' in response.text
    assert listed(switch_page(pair.browser)) == [pair.two.address]
    assert active(pair.browser) == pair.two.name


def test_who_logs_in_without_choosing_still_takes_the_place_of_who_was_here(
    idp: RunningIdp, browser: Browser, trusted: App
) -> None:
    one, two = Someone.new(idp), Someone.new(idp)
    sign_in(browser, Page(browser.open(f"{idp.url}/login")), one)
    page, _ = opened(trusted, browser, prompt="login")
    sign_in(browser, page, two)
    assert listed(switch_page(browser)) == [two.address]


def test_the_state_that_apps_watch_changes_with_everybody_who_comes_and_goes(idp: RunningIdp, pair: Pair) -> None:
    states = [pair.browser.http.cookies["idp-browser-state"]]
    page = switch_page(pair.browser)
    pair.browser.submit(page, form_of(page, pair.one))
    states.append(pair.browser.http.cookies["idp-browser-state"])
    sign_out(pair.browser, pair.two)
    states.append(pair.browser.http.cookies["idp-browser-state"])
    assert len(set(states)) == 3
