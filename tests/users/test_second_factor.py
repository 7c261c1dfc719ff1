"""The second step of a login: authenticator apps, recovery codes, trusted browsers, and no way around them."""

from __future__ import annotations

import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
import requests

from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp
from tests.support.totp import earlier

Enrolled = tuple[str, str, list[str]]
SECURITY = "/account/security"
AUTHENTICATOR = f"{SECURITY}/authenticator"


def sign_in(browser: Browser, idp: RunningIdp, name: str, path: str = SECURITY) -> requests.Response:
    """Open an account page; sign in with the password when asked."""
    response = browser.open(f"{idp.url}{path}")
    page = Page(response)
    return browser.submit(page, "login", username=name, password=PASSWORD) if "login" in page.forms else response


def enrol(idp: RunningIdp, name: str) -> tuple[str, list[str]]:
    """Set up an authenticator app as a person does; its secret and the recovery codes."""
    browser = Browser(idp.url)
    sign_in(browser, idp, name)
    page = Page(browser.open(f"{idp.url}{AUTHENTICATOR}"))
    (secret,) = re.findall(r'<code id="secret">([A-Z2-7]+)</code>', page.response.text)
    response = browser.submit(page, "authenticator-form", code=earlier(secret))
    codes = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", response.text)
    assert response.status_code == 200, response.text
    assert len(codes) == 10
    return secret, codes


@pytest.fixture
def enrolled(idp: RunningIdp) -> Enrolled:
    """A person with an authenticator app: name, secret, recovery codes."""
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name)
    return (name, *enrol(idp, name))


def first_step(app: App, browser: Browser, name: str, **parameters: str) -> tuple[Page, str]:
    """Password typed: what comes then, and the PKCE verifier."""
    url, verifier = app.authorize_url(**parameters)
    page = Page(browser.open(url))
    return Page(browser.submit(page, "login", username=name, password=PASSWORD)), verifier


def finished(browser: Browser, response: requests.Response) -> dict[str, str]:
    """The answer to the app, its consent given."""
    page = Page(response)
    return answer_of(browser.submit(page, "consent", decision="allow") if "consent" in page.forms else response)


def test_a_code_of_the_app_is_asked_for_and_told_in_the_tokens(
    web_app: App, browser: Browser, enrolled: Enrolled
) -> None:
    name, secret, _ = enrolled
    page, verifier = first_step(web_app, browser, name)
    assert "otp" in page.forms
    answer = finished(browser, browser.submit(page, "otp", code=pyotp.TOTP(secret).now()))
    told = claims(web_app.redeem(answer["code"], verifier).json()["id_token"])
    assert told["acr"] == "2fa"
    assert set(told["amr"]) == {"pwd", "otp", "mfa"}


def test_a_code_works_once(web_app: App, idp: RunningIdp, enrolled: Enrolled) -> None:
    name, secret, _ = enrolled
    code = pyotp.TOTP(secret).now()
    first, second = Browser(idp.url), Browser(idp.url)
    page, _ = first_step(web_app, first, name)
    assert "code" in finished(first, first.submit(page, "otp", code=code))
    page, _ = first_step(web_app, second, name)
    again = second.submit(page, "otp", code=code)
    assert again.status_code == 400
    assert "used already" in again.text


def test_of_many_browsers_with_the_same_code_one_gets_in(web_app: App, idp: RunningIdp, enrolled: Enrolled) -> None:
    name, secret, _ = enrolled
    ready = [(browser := Browser(idp.url), first_step(web_app, browser, name)[0]) for _ in range(4)]
    code = pyotp.TOTP(secret).now()
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda one: one[0].submit(one[1], "otp", code=code), ready))
    assert sorted(response.status_code for response in responses) == [200, 400, 400, 400]


def test_wrong_codes_are_counted_and_the_right_one_then_waits(
    web_app: App, browser: Browser, enrolled: Enrolled
) -> None:
    name, secret, _ = enrolled
    page, _ = first_step(web_app, browser, name)
    right = pyotp.TOTP(secret).now()
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for code in (wrong, "", "abc", "12345", "१२३४५६"):
        assert browser.submit(page, "otp", code=code).status_code == 400
    limited = browser.submit(page, "otp", code=right)
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) > 0


def test_the_password_alone_opens_nothing(web_app: App, idp: RunningIdp, browser: Browser, enrolled: Enrolled) -> None:
    name, _, _ = enrolled
    page, _ = first_step(web_app, browser, name)
    assert "idp-session" not in browser.http.cookies
    resumed = browser.open(f"{idp.url}/oauth/authorize/resume?flow={page.forms['cancel'].fields['flow']}")
    assert "login" in Page(resumed).forms


def test_a_step_belongs_to_its_browser(web_app: App, idp: RunningIdp, browser: Browser, enrolled: Enrolled) -> None:
    name, secret, _ = enrolled
    page, _ = first_step(web_app, browser, name)
    thief = Browser(idp.url)
    thief.open(web_app.authorize_url()[0])
    stolen = thief.open(page.response.url)
    assert Page(stolen).main["data-error"] == "expired"
    form = page.forms["otp"]
    posted = thief.http.post(form.action, data={**form.fields, "code": pyotp.TOTP(secret).now()}, timeout=30)
    assert Page(posted).main["data-error"] == "expired"


@pytest.mark.parametrize("path", ["/login/otp", "/login/recovery", "/login/otp?step=x", "/login/recovery?step=%00"])
def test_the_step_cannot_be_opened_out_of_order(idp: RunningIdp, browser: Browser, path: str) -> None:
    assert browser.open(f"{idp.url}{path}").status_code == 400
    assert browser.http.post(f"{idp.url}{path}", data={"code": "123456"}, timeout=30).status_code == 400


def test_a_recovery_code_works_once(web_app: App, idp: RunningIdp, enrolled: Enrolled) -> None:
    name, _, codes = enrolled
    for expected in (303, 400):
        browser = Browser(idp.url)
        page, _ = first_step(web_app, browser, name)
        step = page.forms["otp"].fields["step"]
        page = Page(browser.open(f"{idp.url}/login/recovery?step={step}"))
        form = page.forms["recovery"]
        data = {**form.fields, "code": codes[0].upper().replace("-", " ")}
        response = browser.http.post(form.action, data=data, allow_redirects=False, timeout=30)
        assert response.status_code == expected
    assert "8 of 10 left" in sign_in_fully(idp, enrolled).text


def sign_in_fully(idp: RunningIdp, enrolled: Enrolled, browser: Browser | None = None) -> requests.Response:
    """The security page, signed in with password and a recovery code."""
    name, _, codes = enrolled
    browser = browser or Browser(idp.url)
    page = Page(sign_in(browser, idp, name))
    step = page.forms["otp"].fields["step"]
    page = Page(browser.open(f"{idp.url}/login/recovery?step={step}"))
    return browser.submit(page, "recovery", code=codes.pop())


def test_a_trusted_browser_is_not_asked_again(
    web_app: App, idp: RunningIdp, browser: Browser, enrolled: Enrolled
) -> None:
    name, secret, _ = enrolled
    page, _ = first_step(web_app, browser, name)
    assert "code" in finished(browser, browser.submit(page, "otp", code=pyotp.TOTP(secret).now(), trust="yes"))
    page, verifier = first_step(web_app, browser, name, prompt="login")
    answer = finished(browser, page.response)
    assert claims(web_app.redeem(answer["code"], verifier).json()["id_token"])["acr"] == "1fa"
    other = Browser(idp.url)
    page, _ = first_step(web_app, other, name)
    assert "otp" in page.forms


def test_a_stronger_login_is_asked_for_where_an_app_wants_it(
    web_app: App, browser: Browser, enrolled: Enrolled
) -> None:
    name, secret, _ = enrolled
    page, _ = first_step(web_app, browser, name)
    assert "code" in finished(browser, browser.submit(page, "otp", code=pyotp.TOTP(secret).now(), trust="yes"))
    page, verifier = first_step(web_app, browser, name, prompt="login")
    finished(browser, page.response)
    url, verifier = web_app.authorize_url(acr_values="2fa")
    page = Page(browser.open(url))
    assert next(iter(page.forms)) == "otp", "the password was typed already"
    assert 'name="trust"' not in page.response.text
    answer = finished(browser, browser.submit(page, "otp", code=pyotp.TOTP(secret).at(int(time.time()) + 30)))
    assert claims(web_app.redeem(answer["code"], verifier).json()["id_token"])["acr"] == "2fa"


def test_removing_the_app_ends_the_second_step(web_app: App, idp: RunningIdp, enrolled: Enrolled) -> None:
    browser = Browser(idp.url)
    page = Page(sign_in_fully(idp, enrolled, browser))
    left = browser.submit(page, "authenticator-remove")
    assert "Set up an app" in left.text
    fresh = Browser(idp.url)
    page, _ = first_step(web_app, fresh, enrolled[0])
    assert "otp" not in page.forms


def test_new_recovery_codes_replace_the_old_ones(web_app: App, idp: RunningIdp, enrolled: Enrolled) -> None:
    name, _, codes = enrolled
    browser = Browser(idp.url)
    page = Page(sign_in_fully(idp, enrolled, browser))
    renewed = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", browser.submit(page, "codes-renew").text)
    assert len(renewed) == 10
    assert not set(renewed) & set(codes)
    other = Browser(idp.url)
    page, _ = first_step(web_app, other, name)
    page = Page(other.open(f"{idp.url}/login/recovery?step={page.forms['otp'].fields['step']}"))
    assert other.submit(page, "recovery", code=codes[0]).status_code == 400
    assert "code" in finished(other, other.submit(page, "recovery", code=renewed[0]))


def test_an_offer_is_for_one_person_and_needs_its_code(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    sign_in(browser, idp, person)
    page = Page(browser.open(f"{idp.url}{AUTHENTICATOR}"))
    assert browser.submit(page, "authenticator-form", code="000000").status_code == 400
    other = Browser(idp.url)
    sign_in(other, idp, "alice")
    theirs = Page(other.open(f"{idp.url}{AUTHENTICATOR}"))
    refused = browser.submit(page, "authenticator-form", offer=theirs.forms["authenticator-form"].fields["offer"])
    assert refused.status_code == 400
    assert "expired" in refused.text


def test_forms_of_the_account_pages_are_ours(idp: RunningIdp, person: str) -> None:
    browser = Browser(idp.url)
    sign_in(browser, idp, person)
    for path in ("authenticator", "authenticator/remove", "recovery-codes", "browsers"):
        forged = browser.http.post(f"{idp.url}{SECURITY}/{path}", data={"csrf": "x"}, timeout=30)
        assert forged.status_code == 400
    stranger = requests.post(f"{idp.url}{SECURITY}/browsers", data={"csrf": "x"}, allow_redirects=False, timeout=30)
    assert stranger.status_code == 303
