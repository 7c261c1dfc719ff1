"""Whatever works once works once for a thousand who try it together: links to a new password, of an address, of an invitation, recovery codes,
and authorization codes."""

from __future__ import annotations

import secrets

import requests

from tests.support.crowds import crowd
from tests.support.flows import App, Browser, HtmlForm, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letter_about, link_in
from tests.users.test_email_change import asked_for, new_address, proven, told
from tests.users.test_invitations import address, club, invited
from tests.users.test_password_change import signed_in
from tests.users.test_password_recovery import NEW, asked, can_log_in
from tests.users.test_second_factor import enrol

__all__ = ["address", "club", "proven"]


def rush(idp: RunningIdp, link: str, form: str, **fields: str) -> list[requests.Response]:
    """A thousand who opened the same link press its button."""
    browser = Browser(idp.url)
    return crowd([(Page(browser.open(link)).forms[form], browser.http.cookies.get_dict())], **fields)


def statuses(answers: list[requests.Response], good: int) -> set[int]:
    """What the others were told; exactly one was told that it worked."""
    told = [answer.status_code for answer in answers]
    assert told.count(good) == 1
    return set(told) - {good}


def test_a_link_to_a_new_password(idp: RunningIdp, web_app: App, person: str) -> None:
    assert statuses(rush(idp, asked(idp, person), "reset", password=NEW), 200) == {400}
    assert can_log_in(idp, web_app, person, NEW)


def test_a_link_that_confirms_an_address(idp: RunningIdp, person: str) -> None:
    browser = signed_in(idp, person, "/account/email")
    browser.submit(Page(browser.open(f"{idp.url}/account/email")), "email-verify")
    link = link_in(letter_about(idp, f"{person}@example.com", "is this your address"))
    assert statuses(rush(idp, link, "verify"), 200) == {400}
    assert told(idp, person)["email_verified"] is True


def test_both_links_to_another_address(idp: RunningIdp, proven: str) -> None:
    new = new_address()
    _, confirm, approve = asked_for(idp, proven, new)
    assert statuses(rush(idp, confirm, "email-confirm"), 200) == {400}
    assert statuses(rush(idp, approve, "email-approve", decision="allow"), 200) == {400}
    assert told(idp, proven)["email"] == new


def test_an_invitation(club: RunningIdp, address: str) -> None:
    name = f"guest-{secrets.token_hex(4)}"
    answers = rush(club, invited(club, address), "signup", username=name, password=PASSWORD)
    assert statuses(answers, 303) <= {400, 403}
    assert told(club, name)["email"] == address


def test_a_recovery_code(idp: RunningIdp, web_app: App, person: str) -> None:
    codes = enrol(idp, person)[1]
    browser = Browser(idp.url)
    page = Page(browser.open(web_app.authorize_url()[0]))
    step = Page(browser.submit(page, "login", username=person, password=PASSWORD)).forms["otp"].fields["step"]
    form = Page(browser.open(f"{idp.url}/login/recovery?step={step}")).forms["recovery"]
    assert statuses(crowd([(form, browser.http.cookies.get_dict())], code=codes[0]), 303) <= {400, 429}


def test_an_authorization_code(idp: RunningIdp, person: str) -> None:
    """RFC 6749 §4.1.2: used more than once it is denied, and the tokens of its first use are revoked."""
    metadata = {"redirect_uris": ["https://app.test/callback"], "token_endpoint_auth_method": "none"}
    app = App(idp.url, idp.client(client_name="App", **metadata))
    answer, verifier = app.login(Browser(idp.url), person)
    form = HtmlForm(f"{idp.url}/oauth/token", {"grant_type": "authorization_code", "client_id": app.client_id})
    given = {"code": answer["code"], "redirect_uri": app.redirect_uri, "code_verifier": verifier}
    answers = crowd([(form, {})], **given)
    assert statuses(answers, 200) == {400}
    assert {one.json()["error"] for one in answers if one.status_code == 400} == {"invalid_grant"}
    (token,) = [one.json()["access_token"] for one in answers if one.status_code == 200]
    assert app.userinfo(token).status_code == 401
