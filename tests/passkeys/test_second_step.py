"""A passkey beside the password: asked for, chosen among other ways, bound to its login, and as strong as it was."""

from __future__ import annotations

import re

import pyotp
import pytest

from tests.passkeys.holder import FORM, SECURITY, Holder, options_of
from tests.support.authenticator import PRESENT
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import RunningIdp
from tests.support.totp import earlier
from tests.users.test_second_factor import AUTHENTICATOR

STEP = "/login/passkey/step"


def told(app: App, answer: dict[str, str], verifier: str) -> dict[str, object]:
    return claims(app.redeem(answer["code"], verifier).json()["id_token"])


@pytest.fixture
def secret(idp: RunningIdp, holder: Holder) -> str:
    """The holder has an authenticator app too; its secret."""
    browser = Browser(idp.url)
    holder.sign_in(browser)
    page = Page(browser.open(f"{idp.url}{AUTHENTICATOR}"))
    (secret,) = re.findall(r'<code id="secret">([A-Z2-7]+)</code>', page.response.text)
    assert browser.submit(page, "authenticator-form", code=earlier(secret)).status_code == 200
    return secret


def test_a_passkey_is_asked_for_after_the_password(web_app: App, browser: Browser, holder: Holder) -> None:
    page, verifier = holder.password(browser, web_app)
    assert "idp-session" not in browser.http.cookies
    options = options_of(page)
    assert len(options["allowCredentials"]) == 1
    assert options["userVerification"] == "preferred"
    found = told(web_app, answer_of(holder.answer(browser, page)), verifier)
    assert found["acr"] == "phr"
    assert set(found["amr"]) == {"pwd", "pop", "user", "mfa"}


def test_beside_the_password_being_there_is_enough(web_app: App, browser: Browser, holder: Holder) -> None:
    page, verifier = holder.password(browser, web_app)
    found = told(web_app, answer_of(holder.answer(browser, page, flags=PRESENT, handle=None)), verifier)
    assert (found["acr"], set(found["amr"])) == ("phr", {"pwd", "pop", "user", "mfa"})


def test_who_has_an_app_too_can_choose(web_app: App, browser: Browser, holder: Holder, secret: str) -> None:
    page, verifier = holder.password(browser, web_app)
    step = Page(page).forms[FORM].fields["step"]
    code = Page(browser.open(f"{holder.idp.url}/login/otp?step={step}"))
    assert "Use a passkey instead" in code.response.text
    found = told(web_app, answer_of(browser.submit(code, "otp", code=pyotp.TOTP(secret).now())), verifier)
    assert (found["acr"], set(found["amr"])) == ("2fa", {"pwd", "otp", "mfa"})


def test_a_recovery_code_stands_in_for_a_lost_passkey(web_app: App, browser: Browser, holder: Holder) -> None:
    page, verifier = holder.password(browser, web_app)
    step = Page(page).forms[FORM].fields["step"]
    code = Page(browser.open(f"{holder.idp.url}/login/recovery?step={step}"))
    assert "Use the authenticator app" not in code.response.text
    found = told(web_app, answer_of(browser.submit(code, "recovery", code=holder.codes[0])), verifier)
    assert found["acr"] == "2fa"


def test_the_answer_is_good_once_and_for_its_login_only(web_app: App, idp: RunningIdp, holder: Holder) -> None:
    browser = Browser(idp.url)
    page, _ = holder.password(browser, web_app)
    other, _ = holder.password(browser, web_app)
    answer = holder.authenticator.get(options_of(page))
    assert browser.submit(Page(other), FORM, response=answer).status_code == 400
    assert browser.submit(Page(page), FORM, response=answer).headers["Location"].startswith("https://app.test/")
    again = browser.submit(Page(page), FORM, response=answer)
    assert Page(again).main["data-error"] == "expired"


def test_somebody_elses_passkey_is_refused(web_app: App, idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    idp.user(f"{holder.name}-2")
    other = Holder.enrolled(idp, f"{holder.name}-2")
    page, _ = holder.password(browser, web_app)
    theirs = other.authenticator.get(options_of(page), passkey=other.authenticator.passkeys[0])
    refused = browser.submit(Page(page), FORM, response=theirs)
    assert refused.status_code == 400
    assert "did not work" in refused.text
    assert "idp-session" not in browser.http.cookies


def test_the_step_belongs_to_its_browser(web_app: App, idp: RunningIdp, browser: Browser, holder: Holder) -> None:
    page, _ = holder.password(browser, web_app)
    thief = Browser(idp.url)
    thief.open(web_app.authorize_url()[0])
    assert Page(thief.open(page.url)).main["data-error"] == "expired"


@pytest.mark.parametrize("path", [STEP, f"{STEP}?step=x", f"{STEP}?step=%00"])
def test_the_step_cannot_be_opened_out_of_order(idp: RunningIdp, browser: Browser, path: str) -> None:
    assert browser.open(f"{idp.url}{path}").status_code == 400
    assert browser.http.post(f"{idp.url}{path}", data={"response": "{}"}, timeout=30).status_code == 400


def test_wrong_answers_are_counted_like_wrong_codes(web_app: App, browser: Browser, holder: Holder) -> None:
    page, _ = holder.password(browser, web_app)
    for _ in range(5):
        page = holder.answer(browser, page, origin="https://evil.test")
        assert page.status_code == 400
    limited = holder.answer(browser, page)
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) > 0


def test_a_trusted_browser_is_not_asked_again(web_app: App, browser: Browser, holder: Holder) -> None:
    page, _ = holder.password(browser, web_app)
    answer = holder.authenticator.get(options_of(page))
    assert "code" in answer_of(browser.submit(Page(page), FORM, response=answer, trust="yes"))
    page, verifier = holder.password(browser, web_app, prompt="login")
    assert told(web_app, answer_of(page), verifier)["acr"] == "1fa"


def test_removing_the_app_leaves_passkey_and_codes(idp: RunningIdp, holder: Holder, secret: str) -> None:
    browser = Browser(idp.url)
    page = Page(holder.sign_in(browser))
    left = browser.submit(page, "authenticator-remove")
    assert "10 of 10 left" in left.text
    assert f"{SECURITY}/passkeys/remove" in left.text
