"""A forgotten password: equal answers, links that are good once, and everything that ends with the old one."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import sqlalchemy as sa

from idp.settings_source import load
from idp.users.models import MailLinkRow
from tests.support import databases
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letter_about, letters_to, link_in

NEW = "another horse 48 clip"


def ask(idp: RunningIdp, address: str) -> requests.Response:
    browser = Browser(idp.url)
    return browser.submit(Page(browser.open(f"{idp.url}/password/forgot")), "forgot", email=address)


def asked(idp: RunningIdp, name: str) -> str:
    """The link that comes by mail."""
    address = f"{name}@example.com"
    assert ask(idp, address).status_code == 200
    return link_in(letter_about(idp, address, "choose a new password"))


def choose(idp: RunningIdp, link: str, password: str) -> requests.Response:
    browser = Browser(idp.url)
    page = Page(browser.open(link))
    return browser.submit(page, "reset", password=password) if "reset" in page.forms else page.response


def let_links_expire(idp: RunningIdp, name: str) -> None:
    """Let the life of every link that went to a person be over."""
    database = databases.open_database(load(idp.environ).database)
    mine = MailLinkRow.sub == idp.cli("user", "show", name)["sub"]
    with database.write() as tx:
        tx.execute(sa.update(MailLinkRow).where(mine).values(expires_at=MailLinkRow.expires_at - 2 * 86400))
    database.engine.dispose()


def can_log_in(idp: RunningIdp, app: App, name: str, password: str) -> bool:
    browser = Browser(idp.url)
    page = Page(browser.open(app.authorize_url()[0]))
    response = browser.submit(page, "login", username=name, password=password)
    return "consent" in Page(response).forms or "code" in response.headers.get("Location", "")


def test_a_link_by_mail_leads_to_a_new_password_and_ends_what_the_old_one_opened(
    idp: RunningIdp, web_app: App, browser: Browser, person: str
) -> None:
    tokens = web_app.tokens(browser, person, scope="openid")
    link = asked(idp, person)
    assert link.startswith(f"{idp.url}/password/reset?token=")
    assert "new password is set" in choose(idp, link, NEW).text
    assert can_log_in(idp, web_app, person, NEW)
    assert not can_log_in(idp, web_app, person, PASSWORD)
    assert web_app.userinfo(tokens["access_token"]).status_code == 401
    assert answer_of(browser.open(web_app.authorize_url(prompt="none")[0]))["error"] == "login_required"
    letter_about(idp, f"{person}@example.com", "password was changed")


def test_known_and_unknown_addresses_get_the_same_answer(idp: RunningIdp, person: str) -> None:
    known, unknown = f"{person}@example.com", f"nobody-{secrets.token_hex(4)}@example.com"
    answers = [ask(idp, address) for address in (known, unknown)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].text.replace(known, "") == answers[1].text.replace(unknown, "")
    letters_to(idp, known)
    assert not [path for path in (idp.folder / "mail").glob("*.eml") if unknown in path.read_text()]


def test_a_link_works_once_and_looking_does_not_use_it(idp: RunningIdp, person: str) -> None:
    link = asked(idp, person)
    for _ in range(3):
        assert requests.get(link, timeout=30).status_code == 200
    assert choose(idp, link, NEW).status_code == 200
    gone = choose(idp, link, "yet another horse 49")
    assert gone.status_code == 400
    assert Page(gone).main["data-error"] == "expired"


def test_of_many_uses_at_once_one_counts(idp: RunningIdp, web_app: App, person: str) -> None:
    link = asked(idp, person)
    ready = [(browser := Browser(idp.url), Page(browser.open(link))) for _ in range(6)]
    passwords = [f"{NEW} number {number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda one: one[0][0].submit(one[0][1], "reset", password=one[1]), zip(ready, passwords, strict=True)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]
    (winner,) = [word for answer, word in zip(answers, passwords, strict=True) if answer.status_code == 200]
    assert can_log_in(idp, web_app, person, winner)


def test_a_newer_link_voids_the_older_one(idp: RunningIdp, person: str) -> None:
    first = asked(idp, person)
    ask(idp, f"{person}@example.com")
    second = link_in(letters_to(idp, f"{person}@example.com", 2)[-1])
    assert choose(idp, first, NEW).status_code == 400
    assert choose(idp, second, NEW).status_code == 200


def test_a_link_for_an_address_they_have_no_more_is_worth_nothing(idp: RunningIdp, person: str) -> None:
    link = asked(idp, person)
    idp.cli("user", "update", person, "--email", f"{person}@elsewhere.example")
    assert choose(idp, link, NEW).status_code == 400


def test_a_link_that_is_late_is_worth_nothing(idp: RunningIdp, person: str) -> None:
    link = asked(idp, person)
    let_links_expire(idp, person)
    late = choose(idp, link, NEW)
    assert (late.status_code, Page(late).main["data-error"]) == (400, "expired")


def test_a_disabled_person_gets_no_link_and_can_use_none(idp: RunningIdp, person: str) -> None:
    link = asked(idp, person)
    idp.cli("user", "disable", person)
    assert choose(idp, link, NEW).status_code == 400


def test_a_weak_password_is_refused_and_the_link_stays_good(idp: RunningIdp, person: str) -> None:
    link = asked(idp, person)
    weak = choose(idp, link, "short")
    assert weak.status_code == 400
    assert "reset" in Page(weak).forms
    assert choose(idp, link, NEW).status_code == 200


def test_links_are_built_from_the_issuer_whatever_the_request_says(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    page = Page(browser.open(f"{idp.url}/password/forgot"))
    form = page.forms["forgot"]
    cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    forged = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "Cookie": cookies}
    data = {**form.fields, "email": f"{person}@example.com"}
    assert requests.post(form.action, data=data, headers=forged, timeout=30).status_code == 200
    assert link_in(letters_to(idp, f"{person}@example.com")[-1]).startswith(idp.url)


def test_asking_is_limited_alike_for_known_and_unknown_addresses(idp: RunningIdp, person: str) -> None:
    for address in (f"{person}@example.com", f"nobody-{secrets.token_hex(4)}@example.com"):
        assert [ask(idp, address).status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.parametrize("address", ["", "nobody", "a@b\n.example", "@", "x" * 300 + "@example.com"])
def test_what_is_no_address_is_refused(idp: RunningIdp, address: str) -> None:
    assert ask(idp, address).status_code == 400


@pytest.mark.parametrize("path", ["/password/reset", "/email/verify"])
@pytest.mark.parametrize("token", ["", "x", "%00", "\u00e9", "a" * 5000])
def test_a_made_up_link_is_used_up(idp: RunningIdp, path: str, token: str) -> None:
    response = requests.get(f"{idp.url}{path}", params={"token": token}, timeout=30)
    assert response.status_code == 400
    assert "<main" in response.text
