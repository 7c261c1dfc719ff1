"""`/account/profile`: people say of themselves what they like, apps that may see it do, and nonsense is refused without a change."""

from __future__ import annotations

import html
import secrets
import time
from typing import Any

import pytest
import requests

from tests.account.support import at_once, page_of, post, shown, signed_in, text_of
from tests.conftest import API
from tests.platform.receivers import ReceiverServer
from tests.support.flows import App, Browser, Page, claims
from tests.support.running import PASSWORD, RunningIdp
from tests.support.status import eventually
from tests.users.test_password_change import age

PATH = "/account/profile"
WHOLE = {
    "name": "Ada King, Countess of Lovelace",
    "given_name": "Ada",
    "middle_name": "Augusta",
    "family_name": "Lovelace",
    "nickname": "Enchantress",
    "profile": "https://ada.example/me",
    "picture": "https://ada.example/me.jpg",
    "website": "https://ada.example/",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "de",
    "phone_number": "+44 20 7946 0000",
}
ADDRESS = {
    "street_address": "12 St James's Square\nFlat 2",
    "locality": "London",
    "region": "Greater London",
    "postal_code": "SW1Y 4JH",
    "country": "United Kingdom",
}


def save(idp: RunningIdp, browser: Browser, **fields: str) -> requests.Response:
    page = page_of(idp, browser, PATH)
    return browser.submit(page, "profile", **{**kept(idp, page), **fields})


def kept(idp: RunningIdp, page: Page) -> dict[str, str]:
    """What a browser sends besides the inputs: the choice and the lines as they are."""
    text = page.response.text
    chosen = text.partition('<select id="claim-locale"')[2].partition("</select>")[0]
    locale = (
        chosen.partition(" selected>")[0].rpartition('value="')[2].partition('"')[0] if " selected>" in chosen else ""
    )
    street = text.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0]
    return {"locale": locale, "address_street_address": html.unescape(street).replace("\n", "\r\n")}


def known(idp: RunningIdp, name: str) -> dict[str, Any]:
    document: dict[str, Any] = idp.cli("user", "show", name)
    return document


def test_every_claim_that_is_saved_reaches_the_apps_that_may_see_it(idp: RunningIdp, person: str, web_app: App) -> None:
    browser = signed_in(idp, person, PATH)
    typed = {**WHOLE, **{f"address_{part}": value.replace("\n", "\r\n") for part, value in ADDRESS.items()}}
    answer = save(idp, browser, **typed)
    assert (answer.status_code, answer.url) == (200, f"{idp.url}{PATH}")
    scope = "openid profile email phone address"
    tokens = web_app.tokens(
        Browser(idp.url), person, scope=scope, claims='{"id_token":{"nickname":null,"address":null}}'
    )
    told = web_app.userinfo(tokens["access_token"]).json()
    assert {name: told[name] for name in WHOLE} == WHOLE
    assert told["address"] == ADDRESS
    assert told["preferred_username"] == person
    assert told["updated_at"] <= int(time.time())
    in_token = claims(tokens["id_token"])
    assert (in_token["nickname"], in_token["address"]) == ("Enchantress", ADDRESS)


def test_what_is_saved_is_shown_again_and_saving_it_again_changes_nothing(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    save(idp, browser, **WHOLE, **{f"address_{part}": value for part, value in ADDRESS.items()})
    before = known(idp, person)
    page = page_of(idp, browser, PATH)
    assert {name: page.forms["profile"].fields[name] for name in WHOLE if name != "locale"} == {
        name: value for name, value in WHOLE.items() if name != "locale"
    }
    assert save(idp, browser).status_code == 200
    assert known(idp, person) == before


def test_what_is_emptied_is_forgotten_and_what_is_not_sent_stays(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    save(idp, browser, **WHOLE, address_locality="London")
    save(idp, browser, nickname="  ", address_locality="")
    document = known(idp, person)
    assert "nickname" not in document["claims"]
    assert "address" not in document["claims"]
    assert document["claims"]["name"] == WHOLE["name"]
    form = page_of(idp, browser, PATH).forms["profile"].fields
    post(idp, browser, PATH, csrf=form["csrf"], version=form["version"], gender="")
    assert known(idp, person)["claims"] == {
        name: value for name, value in document["claims"].items() if name != "gender"
    }


def test_a_page_in_the_language_that_was_chosen(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    save(idp, browser, locale="de")
    assert '<html lang="de"' in browser.open(f"{idp.url}{PATH}").text


@pytest.mark.parametrize("birthdate", ["1990", "1990-12-31", "2000-02-29", "0000-02-29", "0000-12-31", "1852-11-27"])
def test_birthdays_that_are_some(idp: RunningIdp, person: str, birthdate: str) -> None:
    save(idp, signed_in(idp, person, PATH), birthdate=birthdate)
    assert known(idp, person)["claims"]["birthdate"] == birthdate


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("birthdate", value)
            for value in ("1990-02-30", "0000", "0000-02-30", "31.12.1990", "1990-12", "2999-01-01", "90")
        ),
        *(
            ("picture", value)
            for value in (
                "http://a.example/",
                "javascript:alert(1)",
                "https://",
                "data:,x",
                "https://u:p@a.example/",
            )
        ),
        ("profile", "a.example"),
        ("website", "ftp://a.example/"),
        ("website", "https://[::1"),
        ("zoneinfo", "Mars/Olympus"),
        ("zoneinfo", "../../etc/passwd"),
        ("locale", "not a language"),
        ("phone_number", "030 123456"),
        ("phone_number", "+49 <script>"),
        ("name", "x" * 513),
        ("gender", "x" * 513),
        ("address_country", "x" * 513),
    ],
)
def test_what_does_not_fit_is_refused_said_and_changes_nothing(
    idp: RunningIdp, person: str, field: str, value: str
) -> None:
    browser, before = signed_in(idp, person, PATH), known(idp, person)
    answer = save(idp, browser, **{"middle_name": "X", field: value})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert f'name="{field}"' in answer.text
    assert answer.text.count('aria-invalid="true"') == 1
    assert known(idp, person) == before


def test_what_an_operator_wrote_stays_when_a_person_leaves_it(idp: RunningIdp) -> None:
    name = f"person-{secrets.token_hex(4)}"
    given = (
        "website=http://old.example/",
        "address.formatted=12 Street",
        "address.country=UK",
        "phone_number=+49 1234",
    )
    idp.user(name, *(word for one in given for word in ("--claim", one)), "--claim", "phone_number_verified=true")
    browser = signed_in(idp, name, PATH)
    save(idp, browser, nickname="Nick")
    document = known(idp, name)["claims"]
    assert document["website"] == "http://old.example/"
    assert document["address"] == {"formatted": "12 Street", "country": "UK"}
    assert document["phone_number_verified"] is True
    save(idp, browser, phone_number="+49 5678", address_country="FR")
    document = known(idp, name)["claims"]
    assert "phone_number_verified" not in document
    assert document["address"] == {"country": "FR"}


def test_what_was_changed_meanwhile_is_not_overwritten(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    page = page_of(idp, browser, PATH)
    idp.cli("user", "update", person, "--claim", "nickname=From elsewhere")
    answer = browser.submit(page, "profile", nickname="Mine")
    assert answer.status_code == 400
    assert "changed meanwhile" in text_of(answer)
    assert known(idp, person)["claims"] == {"nickname": "From elsewhere"}


def test_of_many_who_save_at_once_one_does(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    page, version = page_of(idp, browser, PATH), known(idp, person)["version"]
    assert 303 in at_once(browser, page, "profile", 6, nickname="Nick")
    assert known(idp, person)["version"] == version + 1


def test_another_name_to_sign_in_with(idp: RunningIdp, person: str, web_app: App) -> None:
    browser, new = signed_in(idp, person, PATH), f"new-{secrets.token_hex(4)}"
    browser.submit(page_of(idp, browser, PATH), "username-change", username=f" {new} ")
    assert f"Signed in as {new}" in shown(idp, browser, PATH)
    tokens = web_app.tokens(Browser(idp.url), new, scope="openid profile")
    assert web_app.userinfo(tokens["access_token"]).json()["preferred_username"] == new


@pytest.mark.parametrize("username", ["", "x" * 65, "alice", "ALICE", "somebody@example.com", "a\tb"])
def test_a_name_that_is_taken_or_none_is_refused(idp: RunningIdp, person: str, username: str) -> None:
    browser, before = signed_in(idp, person, PATH), known(idp, person)
    answer = browser.submit(page_of(idp, browser, PATH), "username-change", username=username)
    assert answer.status_code == 400
    assert known(idp, person) == before


def test_another_name_asks_for_a_fresh_login_and_the_profile_does_not(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    age(idp, person)
    page = page_of(idp, browser, PATH)
    assert "login" in Page(browser.submit(page, "username-change", username="thief")).forms
    assert known(idp, person)["username"] == person
    assert save(idp, browser, nickname="Nick").url == f"{idp.url}{PATH}"
    assert known(idp, person)["claims"]["nickname"] == "Nick"


def test_a_form_of_another_site_changes_nothing(idp: RunningIdp, person: str) -> None:
    browser, before = signed_in(idp, person, PATH), known(idp, person)
    for path in (PATH, f"{PATH}/username"):
        answer = post(idp, browser, path, csrf="forged", version=str(before["version"]), name="X", username="x")
        assert answer.status_code == 400
    assert known(idp, person) == before


def test_what_people_write_of_themselves_is_text(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    save(idp, browser, name='"><script>alert(1)</script>')
    for path in (PATH, "/account", "/"):
        assert "<script>alert" not in browser.open(f"{idp.url}{path}").text


def test_receivers_hear_of_it(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, PATH)
    save(idp, browser, given_name="Ada")
    assert PASSWORD not in str(known(idp, person))
    assert "Your account was changed" in shown(idp, browser, "/account/activity")


def test_receivers_hear_of_a_saved_profile_once_and_of_a_refused_one_never(idp: RunningIdp, person: str) -> None:
    sub = known(idp, person)["sub"]
    with ReceiverServer() as server:
        made = idp.cli("receiver", "create", server.url, "--events", "user.*", "--audience", API)
        browser = signed_in(idp, person, PATH)
        assert save(idp, browser, name="Ada", birthdate="never").status_code == 400
        save(idp, browser, **WHOLE)
        save(idp, browser, name="Ada Lovelace")
        eventually(lambda: len(server.claims) == 2)
        idp.cli("receiver", "delete", made["id"])
    told = [event for one in server.claims for event in one["events"].values()]
    assert [next(iter(one["events"])).rpartition(":")[2] for one in server.claims] == ["user.updated"] * 2
    assert [(one["user"]["sub"], one["user"]["name"]) for one in told] == [(sub, WHOLE["name"]), (sub, "Ada Lovelace")]
    assert told[0]["user"]["version"] + 1 == told[1]["user"]["version"]
    assert "birthdate" not in told[0]["user"], "no more than an API needs"
