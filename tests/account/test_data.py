"""`/account/data` and `/account/close`: people take what is known of them away, close their account, come back, or are deleted for good."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from idp.platform.audit import verify
from idp.platform.db import Database
from idp.platform.models import AuditRow
from idp.settings_source import load
from idp.tokens.models import GrantRow
from idp.users.models import UserRow
from tests.account.support import IPHONE, at_once, page_of, post, shown, signed_in, text_of
from tests.support import databases
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letter_about, letters_to, link_in
from tests.users.test_password_change import age

PATH, CLOSE = "/account/data", "/account/close"
SCOPE = "openid profile offline_access read"


@pytest.fixture
def stored(idp: RunningIdp) -> Iterator[Database]:
    """What the running identity provider wrote."""
    database = databases.open_database(load(idp.environ).database)
    yield database
    database.engine.dispose()


def export(idp: RunningIdp, browser: Browser) -> dict[str, Any]:
    answer = browser.submit(page_of(idp, browser, PATH), "export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = json.loads(answer.text)
    return document


def leave(idp: RunningIdp, browser: Browser, how: str) -> requests.Response:
    return browser.submit(page_of(idp, browser, CLOSE), f"close-{how}", sure="yes")


def known(idp: RunningIdp, name: str) -> dict[str, Any]:
    document: dict[str, Any] = idp.cli("user", "show", name)
    return document


def log_in(idp: RunningIdp, name: str, password: str = PASSWORD) -> tuple[Browser, Page]:
    browser = Browser(idp.url)
    page = page_of(idp, browser, "/account")
    return browser, Page(browser.submit(page, "login", username=name, password=password))


def let_the_grace_run_out(stored: Database, name: str) -> None:
    with stored.write() as tx:
        due = sa.update(UserRow).where(UserRow.username == name).values(deletes_at=UserRow.closed_at)
        assert tx.execute(due).rowcount == 1


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_holds_what_is_known_and_no_secret(
    idp: RunningIdp, person: str, web_app: App, stored: Database
) -> None:
    signed_in(idp, person, agent=IPHONE)
    browser = signed_in(idp, person)
    tokens = web_app.tokens(browser, person, scope=SCOPE)
    document = export(idp, browser)
    assert document["account"]["username"] == person
    assert document["account"]["email"] == f"{person}@example.com"
    assert document["password"] is True
    assert {one["browser"] for one in document["sessions"]} >= {IPHONE}
    assert document["sessions"][0]["address"] == "127.0.0.1"
    assert document["apps"][0]["name"] == "Web App"
    assert document["apps"][0]["may"]["The API"] == ["Read things"]
    assert document["grants"][0]["scope"].split() == SCOPE.split()
    assert {"user.created", "login", "consent", "account.exported"} <= {one["event"] for one in document["events"]}
    assert document["account"]["created_at"].endswith("+00:00")
    with stored.read() as tx:
        hashed = tx.execute(sa.select(UserRow.password).where(UserRow.username == person)).scalar()
    text = json.dumps(document)
    for secret in (hashed, PASSWORD, tokens["refresh_token"], *browser.http.cookies.values(), "csrf"):
        assert secret not in text
    assert "You downloaded your data" in shown(idp, browser, "/account/activity")


def test_the_file_says_nothing_of_anybody_else(idp: RunningIdp, person: str) -> None:
    theirs = export(idp, signed_in(idp, "alice"))
    mine = export(idp, signed_in(idp, person))
    assert mine["account"]["sub"] != theirs["account"]["sub"]
    assert theirs["account"]["sub"] not in json.dumps(mine)
    assert "alice" not in json.dumps(mine)


def test_file_and_closing_ask_for_a_fresh_login(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, CLOSE)
    pages = page_of(idp, browser, PATH), page_of(idp, browser, CLOSE)
    age(idp, person)
    for page, form in ((pages[0], "export"), (pages[1], "close-disable"), (pages[1], "close-delete")):
        assert "login" in Page(browser.submit(page, form, sure="yes")).forms
    assert known(idp, person)["disabled"] is False


@pytest.mark.parametrize("path", ["/account/export", CLOSE])
def test_a_form_of_another_site_does_nothing(idp: RunningIdp, person: str, path: str) -> None:
    browser = signed_in(idp, person)
    assert post(idp, browser, path, csrf="forged", decision="delete", sure="yes").status_code == 400
    assert known(idp, person)["disabled"] is False


# -- going ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_who_closes_their_account_is_out_everywhere_and_told_so(
    idp: RunningIdp, person: str, web_app: App, how: str
) -> None:
    elsewhere, browser = Browser(idp.url), signed_in(idp, person)
    tokens = web_app.tokens(elsewhere, person, scope=SCOPE)
    answer = leave(idp, browser, how)
    assert 'id="closed"' in answer.text
    assert ("deleted for good on" in text_of(answer)) is (how == "delete")
    assert "idp-session" not in browser.http.cookies or not browser.http.cookies["idp-session"]
    assert answer_of(elsewhere.open(web_app.authorize_url(prompt="none")[0]))["error"] == "login_required"
    assert web_app.userinfo(tokens["access_token"]).status_code == 401
    assert web_app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    document = known(idp, person)
    assert document["disabled"] is True
    grace = document["deletes_at"] and document["deletes_at"] - document["closed_at"]
    assert grace == (30 * 86400 if how == "delete" else None)
    letter = letter_about(idp, f"{person}@example.com", "your account is closed")
    assert link_in(letter) == f"{idp.url}/login"


def test_who_is_not_sure_stays(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    page = page_of(idp, browser, CLOSE)
    for fields in ({}, {"sure": "no"}, {"sure": "yes", "decision": "explode"}):
        answer = browser.submit(page, "close-delete", **{"sure": "", **fields})
        assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)
    assert known(idp, person)["disabled"] is False


def test_of_many_who_close_it_at_once_one_does(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person)
    page, version = page_of(idp, browser, CLOSE), known(idp, person)["version"]
    statuses = at_once(browser, page, "close-delete", 6, sure="yes")
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 303, 409}
    assert known(idp, person)["version"] == version + 1
    closed = [letter for letter in letters_to(idp, f"{person}@example.com") if "is closed" in letter["Subject"]]
    assert len(closed) == 1


# -- coming back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_who_signs_in_again_is_asked_and_has_it_back(idp: RunningIdp, person: str, web_app: App, how: str) -> None:
    leave(idp, signed_in(idp, person), how)
    browser, page = log_in(idp, person)
    assert "return" in page.forms
    assert known(idp, person)["disabled"] is True
    back = browser.submit(page, "return")
    assert (back.status_code, back.url) == (200, f"{idp.url}/account")
    document = known(idp, person)
    assert (document["disabled"], document["closed_at"], document["deletes_at"]) == (False, None, None)
    letter_about(idp, f"{person}@example.com", "your account is open again")
    tokens = web_app.tokens(Browser(idp.url), person, scope=SCOPE)
    assert web_app.userinfo(tokens["access_token"]).status_code == 200


def test_who_comes_from_an_app_goes_back_to_it(idp: RunningIdp, person: str, web_app: App) -> None:
    leave(idp, signed_in(idp, person), "delete")
    browser, (url, verifier) = Browser(idp.url), web_app.authorize_url(scope="openid")
    page = Page(browser.submit(Page(browser.open(url)), "login", username=person, password=PASSWORD))
    page = Page(browser.submit(page, "return"))
    answer = answer_of(browser.submit(page, "consent", decision="allow"))
    assert web_app.redeem(answer["code"], verifier).status_code == 200


def test_who_only_looks_or_knows_no_password_brings_nothing_back(idp: RunningIdp, person: str) -> None:
    leave(idp, signed_in(idp, person), "delete")
    assert "login" in log_in(idp, person, "wrong password 48 staple")[1].forms
    browser, page = log_in(idp, person)
    assert "login" in page_of(idp, browser, "/account").forms
    target = page.forms["return"]
    assert post(idp, browser, "/login/return", **{**target.fields, "csrf": "forged"}).status_code == 400
    stranger = Browser(idp.url)
    assert requests.post(target.action, data=target.fields, timeout=30).status_code == 400
    assert stranger.http.post(target.action, data=target.fields, timeout=30).status_code == 400
    assert known(idp, person)["disabled"] is True


def test_coming_back_is_good_once(idp: RunningIdp, person: str) -> None:
    leave(idp, signed_in(idp, person), "disable")
    browser, page = log_in(idp, person)
    assert at_once(browser, page, "return", 6).count(303) == 1
    assert known(idp, person)["disabled"] is False


def test_who_was_disabled_by_an_operator_is_not_asked(idp: RunningIdp, person: str) -> None:
    leave(idp, signed_in(idp, person), "disable")
    browser, page = log_in(idp, person)
    idp.cli("user", "disable", person)
    assert browser.submit(page, "return").status_code == 400
    assert "login" in log_in(idp, person)[1].forms
    assert known(idp, person)["disabled"] is True


def test_closing_while_signing_in_lets_nobody_in_who_should_be_out(idp: RunningIdp, person: str) -> None:
    browser, other = signed_in(idp, person), Browser(idp.url)
    page, form = page_of(idp, browser, CLOSE), page_of(idp, other, "/account")
    with ThreadPoolExecutor(2) as pool:
        closed = pool.submit(browser.submit, page, "close-disable", sure="yes")
        came = pool.submit(other.submit, form, "login", username=person, password=PASSWORD)
    assert closed.result().status_code == 200
    assert came.result().status_code in {200, 400, 401}
    assert 'id="overview"' not in other.open(f"{idp.url}/account").text
    assert known(idp, person)["disabled"] is True


# -- gone for good ----------------------------------------------------------------------------------------------------


def test_who_does_not_come_back_is_deleted_and_what_named_them_is_gone(
    idp: RunningIdp, web_app: App, stored: Database
) -> None:
    name = f"person-{secrets.token_hex(4)}"
    sub = idp.user(name, "--claim", "name=Zaphod Beeblebrox")["sub"]
    asked = json.dumps({"id_token": {"nickname": {"value": name}}})
    web_app.tokens(Browser(idp.url), name, scope=SCOPE, claims=asked)
    leave(idp, signed_in(idp, name, agent=f"{IPHONE} {name}"), "delete")
    idp.cli("prune")
    assert known(idp, name)["disabled"] is True
    let_the_grace_run_out(stored, name)
    idp.cli("prune")
    assert idp.run("user", "show", name).returncode == 1
    assert "login" in log_in(idp, name)[1].forms
    letter_about(idp, f"{name}@example.com", "your account was deleted")
    with stored.read() as tx:
        assert verify(tx).broken_at is None
        told = tx.execute(sa.select(AuditRow.entry, AuditRow.personal).where(AuditRow.sub == sub)).all()
        grants = tx.execute(sa.select(GrantRow.claims_request).where(GrantRow.sub == sub)).scalars().all()
    assert grants == [{}]
    assert told
    assert all(row.personal is None and name not in row.entry and "127.0.0.1" not in row.entry for row in told)
    assert idp.user(name)["sub"] != sub


def test_who_comes_back_in_the_last_moment_or_is_deleted_is_never_both(
    idp: RunningIdp, person: str, stored: Database
) -> None:
    leave(idp, signed_in(idp, person), "delete")
    browser, page = log_in(idp, person)
    let_the_grace_run_out(stored, person)
    with ThreadPoolExecutor(2) as pool:
        pruned = pool.submit(idp.cli, "prune")
        back = pool.submit(browser.submit, page, "return")
    pruned.result()
    found = idp.run("user", "show", person, "--json")
    if found.returncode == 0:
        assert json.loads(found.stdout)["disabled"] is False
        assert back.result().status_code == 200
    else:
        assert back.result().status_code == 400
