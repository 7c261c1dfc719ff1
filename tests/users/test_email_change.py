"""Another address for an account: both addresses say yes, in any order, once; whatever else happens, the address stays as it is."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from idp.settings_source import load
from idp.users.models import EmailChangeRow, MailLinkRow
from tests.support import databases
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letter_about, letters_to, link_in
from tests.users.test_password_change import age, signed_in
from tests.users.test_password_recovery import NEW, asked, can_log_in, choose

PATH = "/account/email"
TO_NEW, TO_OLD = "is this your new address", "may your e-mail address change"


@pytest.fixture
def proven(idp: RunningIdp) -> str:
    """A person of this test's own whose address is confirmed."""
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name, "--email-verified")
    return name


def new_address() -> str:
    return f"new-{secrets.token_hex(4)}@example.com"


def old_address(name: str) -> str:
    return f"{name}@example.com"


def ask(idp: RunningIdp, browser: Browser, address: str) -> requests.Response:
    page = Page(browser.open(f"{idp.url}{PATH}/change"))
    return browser.submit(page, "email-change-form", email=address)


def asked_for(idp: RunningIdp, name: str, address: str) -> tuple[Browser, str, str]:
    """A browser in which the change was asked for, the link to the new address, and the one to the address of before."""
    browser = signed_in(idp, name, PATH)
    assert ask(idp, browser, address).status_code == 200
    links = [link_in(letter_about(idp, *to)) for to in ((address, TO_NEW), (old_address(name), TO_OLD))]
    return browser, links[0], links[1]


def follow(idp: RunningIdp, link: str, **decision: str) -> requests.Response:
    """Open a link in a browser of its own, and say yes."""
    browser = Browser(idp.url)
    page = Page(browser.open(link))
    for form in ("email-confirm", "email-approve"):
        if form in page.forms:
            return browser.submit(page, form, **(decision or {"decision": "allow"}))
    return page.response


def told(idp: RunningIdp, name: str) -> dict[str, Any]:
    document: dict[str, Any] = idp.cli("user", "show", name)
    return document


def wait_no_longer(idp: RunningIdp, name: str) -> None:
    """Let a day pass for what was asked of a person."""
    database = databases.open_database(load(idp.environ).database)
    with database.write() as tx:
        for row in (EmailChangeRow, MailLinkRow):
            tx.execute(
                sa.update(row).where(row.sub == told(idp, name)["sub"]).values(expires_at=row.expires_at - 86401)
            )
    database.engine.dispose()


@pytest.mark.parametrize("order", ["new-first", "old-first"])
def test_the_second_yes_changes_the_address_and_the_first_alone_does_not(
    idp: RunningIdp, web_app: App, proven: str, order: str
) -> None:
    address = new_address()
    tokens = web_app.tokens(Browser(idp.url), proven, scope="openid email")
    browser, *links = asked_for(idp, proven, address)
    assert links[0].startswith(f"{idp.url}/email/confirm?token=")
    assert links[1].startswith(f"{idp.url}/email/approve?token=")
    first, second = links if order == "new-first" else reversed(links)
    assert "One more step" in follow(idp, first).text
    assert told(idp, proven)["email"] == old_address(proven)
    assert address in browser.open(f"{idp.url}{PATH}").text
    assert "Your address is changed" in follow(idp, second).text
    after = told(idp, proven)
    assert (after["email"], after["email_verified"]) == (address, True)
    assert web_app.userinfo(tokens["access_token"]).json()["email"] == address
    assert "email-cancel" not in Page(browser.open(f"{idp.url}{PATH}")).forms
    note = letter_about(idp, old_address(proven), "your e-mail address was changed")
    assert address in note.as_string()


def test_looking_changes_nothing_and_a_link_works_once(idp: RunningIdp, proven: str) -> None:
    address = new_address()
    _, confirm, approve = asked_for(idp, proven, address)
    for link in (confirm, approve, confirm, approve):
        assert requests.get(link, timeout=30).status_code == 200
    assert told(idp, proven)["email"] == old_address(proven)
    assert follow(idp, confirm).status_code == 200
    assert follow(idp, confirm).status_code == 400
    assert told(idp, proven)["email"] == old_address(proven)
    assert follow(idp, approve).status_code == 200
    assert follow(idp, approve).status_code == 400


def test_a_link_of_one_address_is_no_link_of_the_other(idp: RunningIdp, proven: str) -> None:
    _, confirm, _ = asked_for(idp, proven, new_address())
    for crossed in ("/email/approve", "/email/verify", "/password/reset"):
        assert requests.get(confirm.replace("/email/confirm", crossed), timeout=30).status_code == 400


def test_a_taken_address_gets_the_same_answer_and_no_link(idp: RunningIdp, proven: str, person: str) -> None:
    free, taken = new_address(), old_address(person)
    pages = {}
    for address in (free, taken):
        browser = signed_in(idp, proven, PATH)
        answer = ask(idp, browser, address)
        pages[address] = answer.text.replace(address, "").replace(Page(answer).forms["email-cancel"].fields["csrf"], "")
        assert answer.status_code == 200
    assert pages[free] == pages[taken]
    letter = letter_about(idp, taken, "you have an account already")
    assert person in letter.as_string()
    assert proven not in letter.as_string()
    assert not [one for one in letters_to(idp, taken) if TO_NEW in one["Subject"]]
    approve = link_in(letters_to(idp, old_address(proven), 2, TO_OLD)[-1])
    assert "One more step" in follow(idp, approve).text
    assert told(idp, proven)["email"] == old_address(proven)


def test_an_address_taken_meanwhile_is_refused_without_telling(idp: RunningIdp, proven: str) -> None:
    address = new_address()
    browser, confirm, approve = asked_for(idp, proven, address)
    assert follow(idp, confirm).status_code == 200
    idp.cli("user", "create", f"rival-{secrets.token_hex(4)}", "--email", address)
    gone = follow(idp, approve)
    assert (gone.status_code, Page(gone).main["data-error"]) == (400, "expired")
    assert told(idp, proven)["email"] == old_address(proven)
    assert "email-cancel" not in Page(browser.open(f"{idp.url}{PATH}")).forms


def test_another_change_takes_the_place_of_the_one_that_waits(idp: RunningIdp, proven: str) -> None:
    browser, confirm, approve = asked_for(idp, proven, new_address())
    other = new_address()
    ask(idp, browser, other)
    newer = link_in(letter_about(idp, other, TO_NEW)), link_in(letters_to(idp, old_address(proven), 2, TO_OLD)[-1])
    for link in (confirm, approve):
        assert follow(idp, link).status_code == 400
    for link in newer:
        assert follow(idp, link).status_code == 200
    assert told(idp, proven)["email"] == other


def test_never_mind(idp: RunningIdp, proven: str) -> None:
    browser, confirm, approve = asked_for(idp, proven, new_address())
    assert "email-cancel" not in Page(browser.submit(Page(browser.open(f"{idp.url}{PATH}")), "email-cancel")).forms
    for link in (confirm, approve):
        assert follow(idp, link).status_code == 400
    assert told(idp, proven)["email"] == old_address(proven)


def test_the_address_of_before_can_say_no(idp: RunningIdp, proven: str) -> None:
    browser, confirm, approve = asked_for(idp, proven, new_address())
    assert follow(idp, confirm).status_code == 200
    assert "Nothing changed" in follow(idp, approve, decision="deny").text
    assert "email-cancel" not in Page(browser.open(f"{idp.url}{PATH}")).forms
    assert follow(idp, approve).status_code == 400
    assert told(idp, proven)["email"] == old_address(proven)


def test_a_day_later_the_links_are_worth_nothing(idp: RunningIdp, proven: str) -> None:
    browser, confirm, approve = asked_for(idp, proven, new_address())
    assert follow(idp, approve).status_code == 200
    wait_no_longer(idp, proven)
    for link in (confirm, approve):
        assert follow(idp, link).status_code == 400
    assert "email-cancel" not in Page(browser.open(f"{idp.url}{PATH}")).forms
    assert told(idp, proven)["email"] == old_address(proven)


def test_a_new_password_ends_a_change_that_waits(idp: RunningIdp, proven: str) -> None:
    """Who got into an account and asked for their own address loses it with the session."""
    _, confirm, approve = asked_for(idp, proven, new_address())
    assert choose(idp, asked(idp, proven), NEW).status_code == 200
    for link in (confirm, approve):
        assert follow(idp, link).status_code == 400


def test_a_reset_link_to_the_address_of_before_dies_with_it(idp: RunningIdp, web_app: App, proven: str) -> None:
    reset = asked(idp, proven)
    _, confirm, approve = asked_for(idp, proven, new_address())
    assert requests.get(reset, timeout=30).status_code == 200
    for link in (confirm, approve):
        follow(idp, link)
    assert choose(idp, reset, NEW).status_code == 400
    assert not can_log_in(idp, web_app, proven, NEW)


def test_an_operator_who_changes_the_address_ends_a_change_that_waits(idp: RunningIdp, proven: str) -> None:
    browser, confirm, approve = asked_for(idp, proven, new_address())
    idp.cli("user", "update", proven, "--email", f"{proven}@elsewhere.example")
    for link in (confirm, approve):
        assert follow(idp, link).status_code == 400
    assert "email-cancel" not in Page(browser.open(f"{idp.url}{PATH}")).forms


def test_who_is_disabled_meanwhile_changes_nothing(idp: RunningIdp, proven: str) -> None:
    _, confirm, approve = asked_for(idp, proven, new_address())
    assert follow(idp, confirm).status_code == 200
    idp.cli("user", "disable", proven)
    assert follow(idp, approve).status_code == 400
    idp.cli("user", "enable", proven)
    assert follow(idp, approve).status_code == 400
    assert told(idp, proven)["email"] == old_address(proven)


def test_an_address_nobody_proved_has_no_say(idp: RunningIdp, person: str) -> None:
    """Who mistyped it at sign-up could never change it otherwise."""
    address = new_address()
    assert ask(idp, signed_in(idp, person, PATH), address).status_code == 200
    assert "Your address is changed" in follow(idp, link_in(letter_about(idp, address, TO_NEW))).text
    assert told(idp, person)["email"] == address
    letters = letters_to(idp, old_address(person))
    assert not [letter for letter in letters if TO_OLD in letter["Subject"]]


def test_who_is_called_by_their_address_is_called_by_the_new_one(idp: RunningIdp) -> None:
    name, address = f"person-{secrets.token_hex(4)}@example.com", new_address()
    options = ("--email", name, "--email-verified", "--password-stdin")
    idp.cli("user", "create", name, *options, stdin=f"{PASSWORD}\n")
    browser = signed_in(idp, name, PATH)
    ask(idp, browser, address)
    for link in (link_in(letter_about(idp, address, TO_NEW)), link_in(letter_about(idp, name, TO_OLD))):
        follow(idp, link)
    assert told(idp, address)["username"] == address
    assert ask(idp, browser, f"{'x' * 60}@example.com").status_code == 400


def test_of_many_yeses_at_once_one_counts_and_the_change_is_made_once(idp: RunningIdp, proven: str) -> None:
    address = new_address()
    _, *links = asked_for(idp, proven, address)
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda link: follow(idp, link), links * 4)]
    assert sorted(statuses) == [200] * 2 + [400] * 6
    assert told(idp, proven)["email"] == address
    notes = [one for one in letters_to(idp, old_address(proven)) if "was changed" in one["Subject"]]
    assert len(notes) <= 1
    letter_about(idp, old_address(proven), "your e-mail address was changed")


def test_asking_wants_a_fresh_login(idp: RunningIdp, proven: str) -> None:
    browser = signed_in(idp, proven, PATH)
    form = Page(browser.open(f"{idp.url}{PATH}/change")).forms["email-change-form"]
    age(idp, proven)
    assert "login" in Page(browser.open(f"{idp.url}{PATH}/change")).forms
    data = {**form.fields, "email": new_address()}
    late = browser.http.post(form.action, data=data, allow_redirects=False, timeout=30)
    assert late.headers["Location"].startswith(f"{idp.url}/login")
    assert "email-cancel" not in Page(browser.open(f"{idp.url}{PATH}")).forms


def test_nobody_else_gets_to_the_page(idp: RunningIdp, proven: str) -> None:
    assert "login" in Page(Browser(idp.url).open(f"{idp.url}{PATH}")).forms
    form = Page(signed_in(idp, proven, PATH).open(f"{idp.url}{PATH}/change")).forms["email-change-form"]
    data = {**form.fields, "email": new_address()}
    assert signed_in(idp, "alice", PATH).http.post(form.action, data=data, timeout=30).status_code == 400


@pytest.mark.parametrize("address", ["", "nobody", "a@b@c.example", "x" * 300 + "@example.com", "a b@example.com"])
def test_what_is_no_address_is_refused(idp: RunningIdp, proven: str, address: str) -> None:
    browser = signed_in(idp, proven, PATH)
    assert ask(idp, browser, address).status_code == 400
    assert "email-cancel" not in Page(browser.open(f"{idp.url}{PATH}")).forms


def test_the_address_one_has_is_no_new_one(idp: RunningIdp, proven: str) -> None:
    assert ask(idp, signed_in(idp, proven, PATH), old_address(proven)).status_code == 400


def test_asking_is_limited(idp: RunningIdp, proven: str) -> None:
    browser = signed_in(idp, proven, PATH)
    assert [ask(idp, browser, new_address()).status_code for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.parametrize("path", ["/email/confirm", "/email/approve"])
@pytest.mark.parametrize("token", ["", "x", "%00", "\u00e9", "a" * 5000])
def test_a_made_up_link_is_used_up(idp: RunningIdp, path: str, token: str) -> None:
    assert requests.get(f"{idp.url}{path}", params={"token": token}, timeout=30).status_code == 400


def test_another_link_to_confirm_the_address(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    sent = browser.submit(Page(browser.open(f"{idp.url}{PATH}")), "email-verify")
    assert "A link is on its way" in sent.text
    link = link_in(letter_about(idp, old_address(person), "is this your address"))
    confirming = Browser(idp.url)
    assert "is confirmed" in confirming.submit(Page(confirming.open(link)), "verify").text
    assert told(idp, person)["email_verified"] is True
