"""What is no proof: another origin or host, a replay, another browser, a counter that goes back, somebody else's passkey, garbage."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec

from tests.passkeys.holder import FORM, SECURITY, Holder, audited, options_of, sign_in
from tests.support.authenticator import BACKED_UP, ELIGIBLE, PRESENT, VERIFIED, b64
from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp
from tests.users.mail import letter_about

SORRY = "This passkey did not work here"
LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://localhost.evil.test"},
    "another port": {"origin": "http://localhost:1"},
    "another scheme": {"origin": "https://localhost"},
    "another rpId": {"rp_id": "evil.test"},
    "person not verified": {"flags": PRESENT},
    "person not present": {"flags": VERIFIED},
    "nothing said": {"flags": 0},
    "the other ceremony": {"type": "webauthn.create"},
    "in a frame of another site": {"cross_origin": True},
    "a challenge of its own": {"challenge": b64(b"c" * 56)},
    "no challenge": {"challenge": ""},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "garbage for a signature": {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"},
    "no person": {"handle": None},
    "another person": {"handle": b64(b"h" * 32)},
    "may be copied after all": {"flags": PRESENT | VERIFIED | ELIGIBLE},
    "copied though it may not be": {"flags": PRESENT | VERIFIED | BACKED_UP},
    "short data": {"data": b"\0" * 36},
}


def refused(response: requests.Response, browser: Browser) -> bool:
    """Whether the login page came back, said so, and nobody is signed in."""
    return response.status_code == 400 and SORRY in response.text and "idp-session" not in browser.http.cookies


@pytest.mark.parametrize("lies", LIES.values(), ids=LIES)
def test_what_is_not_true_is_refused(browser: Browser, holder: Holder, lies: dict[str, Any]) -> None:
    assert refused(holder.sign_in(browser, **lies), browser)


def test_a_challenge_is_good_once_whatever_comes_of_it(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    page = browser.open(f"{idp.url}{SECURITY}")
    assert refused(holder.answer(browser, page, origin="https://evil.test"), browser)
    assert refused(holder.answer(browser, page), browser)
    assert holder.sign_in(browser).status_code == 200


def test_an_answer_is_good_once(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    page = browser.open(f"{idp.url}{SECURITY}")
    answer = holder.authenticator.get(options_of(page))
    assert "Signed in as" in browser.submit(Page(page), FORM, response=answer).text
    browser.http.cookies.pop("idp-session")
    assert refused(browser.submit(Page(page), FORM, response=answer), browser)


def test_an_answer_is_good_in_the_browser_that_was_asked(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    answer = holder.authenticator.get(options_of(browser.open(f"{idp.url}{SECURITY}")))
    thief = Browser(idp.url)
    theirs = Page(thief.open(f"{idp.url}{SECURITY}"))
    assert refused(thief.submit(theirs, FORM, response=answer), thief)


def test_a_challenge_is_for_one_ceremony(idp: RunningIdp, web_app: Any, browser: Browser, holder: Holder) -> None:
    first = browser.open(f"{idp.url}{SECURITY}")
    step, _ = holder.password(browser, web_app)
    mixed = holder.authenticator.get({**options_of(step), "challenge": options_of(first)["challenge"]})
    assert browser.submit(Page(step), FORM, response=mixed).status_code == 400
    mixed = holder.authenticator.get({**options_of(first), "challenge": options_of(step)["challenge"]})
    assert refused(browser.submit(Page(first), FORM, response=mixed), browser)


def test_a_counter_that_goes_back_is_refused_audited_and_told(idp: RunningIdp, holder: Holder) -> None:
    holder.authenticator.count = 9
    assert holder.sign_in(Browser(idp.url)).status_code == 200
    for count in (10, 9, 1, 0):
        browser = Browser(idp.url)
        assert refused(holder.sign_in(browser, count=count), browser)
    assert holder.sign_in(Browser(idp.url)).status_code == 200
    told = [row for row in audited(idp, "passkey.counter_went_back") if row["last"] == 10]
    assert [(row["outcome"], row["told"]) for row in told] == [("refused", count) for count in (10, 9, 1, 0)]
    body = letter_about(idp, f"{holder.name}@example.com", "look at your passkeys").get_body(("plain",))
    assert body is not None
    assert "an old copy of a passkey (Passkey)" in body.get_content()


def test_an_authenticator_that_does_not_count_signs_in_again_and_again(idp: RunningIdp, holder: Holder) -> None:
    holder.authenticator.counts = False
    for _ in range(3):
        assert holder.sign_in(Browser(idp.url)).status_code == 200


def test_a_passkey_that_nobody_has_is_refused_like_any_other(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    holder.authenticator.passkeys[0].id = secrets.token_bytes(32)
    assert refused(holder.sign_in(browser), browser)


def test_a_removed_passkey_and_a_disabled_person_are_refused_alike(idp: RunningIdp, holder: Holder) -> None:
    idp.cli("user", "disable", holder.name)
    browser = Browser(idp.url)
    assert refused(holder.sign_in(browser), browser)
    idp.cli("user", "enable", holder.name)
    inside = Browser(idp.url)
    page = Page(holder.sign_in(inside))
    form = next(name for name in page.forms if name == "remove")
    assert inside.submit(page, form).status_code == 200
    assert refused(holder.sign_in(browser), browser)


def test_a_deleted_person_leaves_no_passkey(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    idp.cli("user", "delete", holder.name)
    assert refused(holder.sign_in(browser), browser)
    idp.user(holder.name)
    assert refused(holder.sign_in(browser), browser)


GARBAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda _: "",
    "no JSON": lambda _: "{",
    "a number": lambda _: 7,
    "a list": lambda told: [told],
    "null": lambda _: None,
    "no response": lambda told: {**told, "response": None},
    "a response that is a string": lambda told: {**told, "response": "x"},
    "another id": lambda told: {**told, "id": "AAAA"},
    "an id of another alphabet": lambda told: {**told, "id": "+/==", "rawId": "+/=="},
    "an id that is none": lambda told: {**told, "id": "A", "rawId": "A"},
    "a long id": lambda told: {**told, "id": "A" * 4000, "rawId": "A" * 4000},
    "another type": lambda told: {**told, "type": "password"},
    "no signature": lambda told: _with(told, signature=None),
    "a signature that is a number": lambda told: _with(told, signature=1),
    "client data that is no JSON": lambda told: _with(told, clientDataJSON=b64(b"\xff\xfe")),
    "client data that is a list": lambda told: _with(told, clientDataJSON=b64(b"[]")),
    "deep client data": lambda told: _with(told, clientDataJSON=b64(b"[" * 500 + b"]" * 500)),
    "challenge that is a number": lambda told: _with(
        told, clientDataJSON=b64(b'{"type":"webauthn.get","challenge":1}')
    ),
    "data that is too long": lambda told: _with(told, authenticatorData="A" * 20000),
    "empty data": lambda told: _with(told, authenticatorData=""),
    "transports that are none": lambda told: _with(told, transports=[[1]]),
    "transports that are a number": lambda told: _with(told, transports=1),
    "a handle that is a list": lambda told: _with(told, userHandle=[]),
}


def _with(told: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {**told, "response": {**told["response"], **changed}}


@pytest.mark.parametrize("spoil", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_answer_at_all_is_refused(
    idp: RunningIdp, browser: Browser, holder: Holder, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    page = browser.open(f"{idp.url}{SECURITY}")
    spoiled = spoil(json.loads(holder.authenticator.get(options_of(page))))
    text = spoiled if isinstance(spoiled, str) else json.dumps(spoiled)
    assert refused(browser.submit(Page(page), FORM, response=text), browser)


@pytest.mark.parametrize("path", ["/login/passkey", "/login/passkey/step", f"{SECURITY}/passkeys/new"])
def test_a_form_that_is_not_ours_is_refused(idp: RunningIdp, browser: Browser, holder: Holder, path: str) -> None:
    answer = holder.authenticator.get(options_of(browser.open(f"{idp.url}{SECURITY}")))
    sent = {"csrf": "x", "response": answer, "step": "x"}
    response = browser.http.post(f"{idp.url}{path}", data=sent, allow_redirects=False, timeout=30)
    assert response.status_code == (303 if path.startswith(SECURITY) else 400)
    assert "idp-session" not in browser.http.cookies


def test_failures_are_counted_and_lock_no_account(idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    answers = [holder.sign_in(browser, origin="https://evil.test").status_code for _ in range(11)]
    assert answers == [400] * 10 + [429]
    assert "One more step" in sign_in(Browser(idp.url), idp, holder.name).text
