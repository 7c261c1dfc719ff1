"""Which ways to sign in a login offers, and when a second factor is asked for: by the deployment and by the client."""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyotp
import pytest

from tests.conftest import API
from tests.protection.people import SECURITY, Someone, codes_on, finished, opened, secret_on
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, CliError, RunningIdp
from tests.support.totp import earlier


def test_only_the_methods_of_the_deployment_are_offered_and_taken(tmp_path: Path) -> None:
    with RunningIdp(tmp_path, host="localhost", login_methods="passkey") as idp:
        person, browser = Someone.new(idp), Browser(idp.url)
        page = Page(browser.open(f"{idp.url}/login"))
        assert "passkey" in page.forms
        assert "login" not in page.forms
        assert "/password/forgot" not in page.response.text
        fields = {**page.forms["passkey"].fields, "username": person.name, "password": PASSWORD}
        refused = browser.http.post(f"{idp.url}/login", data=fields, timeout=30)
        assert (refused.status_code, Page(refused).main["data-error"]) == (403, "not_offered")
        assert "idp-session" not in browser.http.cookies


def test_the_methods_are_offered_in_the_order_of_the_setting(tmp_path: Path) -> None:
    with RunningIdp(tmp_path, host="localhost", login_methods="passkey,password") as idp:
        assert list(Page(Browser(idp.url).open(f"{idp.url}/login")).forms) == ["passkey", "login"]


@pytest.mark.parametrize(
    ("methods", "said"), [("passkey", "no way to sign in"), ("password,face", "IDP_LOGIN_METHODS")]
)
def test_methods_that_leave_nobody_in_stop_the_start(tmp_path: Path, methods: str, said: str) -> None:
    """At an address no browser knows passkeys."""
    idp = RunningIdp(tmp_path)
    idp.cli("init")
    idp.environ["IDP_LOGIN_METHODS"] = methods
    ended = idp.run("serve", "--port", str(idp.port), "--workers", "1")
    assert ended.returncode != 0
    assert said in ended.stderr


# -- two factors ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bank(idp: RunningIdp) -> App:
    """A client whose people need two factors."""
    metadata = {"redirect_uris": ["https://bank.test/callback"], "audience": [API], "consent": "trusted"}
    return App(idp.url, idp.client(client_name="Bank", second_factor="required", **metadata))


@pytest.fixture
def somebody(idp: RunningIdp) -> Someone:
    return Someone.new(idp)


def enrol(browser: Browser, page: Page) -> tuple[str, Page]:
    """Set the app up where the login asks for it: its secret, and the page with the recovery codes."""
    secret = secret_on(page)
    response = browser.submit(page, "enrol", code=earlier(secret))
    codes_on(response)
    return secret, Page(response)


def onward(browser: Browser, page: Page, idp: RunningIdp) -> dict[str, str]:
    (link,) = [link for link in re.findall(r'href="([^"]+)"', page.response.text) if "/oauth/authorize/resume" in link]
    return answer_of(browser.open(html.unescape(link)))


def test_who_needs_a_second_factor_and_has_none_sets_it_up_and_goes_on(
    idp: RunningIdp, bank: App, browser: Browser, somebody: Someone
) -> None:
    page, verifier = opened(bank, browser)
    page = Page(browser.submit(page, "login", username=somebody.name, password=PASSWORD))
    assert "idp-session" not in browser.http.cookies
    wrong = browser.submit(page, "enrol", code="12")
    assert wrong.status_code == 400
    assert "idp-session" not in browser.http.cookies
    secret, page = enrol(browser, Page(wrong))
    told = claims(bank.redeem(onward(browser, page, idp)["code"], verifier).json()["id_token"])
    assert (told["acr"], set(told["amr"])) == ("2fa", {"pwd", "otp", "mfa"})
    assert "authenticator app was added" in somebody.letters(1)[0]["Subject"]
    other = Browser(idp.url)
    page, _ = opened(bank, other)
    page = Page(other.submit(page, "login", username=somebody.name, password=PASSWORD))
    assert "trust" not in page.forms["otp"].fields
    assert "code" in answer_of(other.submit(page, "otp", code=pyotp.TOTP(secret).now()))


def test_a_login_of_one_factor_is_stepped_up_and_keeps_its_time_and_its_session(
    idp: RunningIdp, bank: App, web_app: App, browser: Browser, somebody: Someone
) -> None:
    secret, _ = somebody.enrol(browser)
    first = claims(web_app.tokens(browser, somebody.name)["id_token"])
    assert first["acr"] == "1fa"
    page, verifier = opened(bank, browser)
    assert "login" not in page.forms, "the password was typed already"
    answer = answer_of(browser.submit(page, "otp", code=pyotp.TOTP(secret).now()))
    told = claims(bank.redeem(answer["code"], verifier).json()["id_token"])
    assert (told["acr"], set(told["amr"])) == ("2fa", {"pwd", "otp", "mfa"})
    assert told["auth_time"] == first["auth_time"]
    assert "code" in answer_of(opened(bank, browser, prompt="none")[0].response)


def test_a_step_up_does_not_stand_in_for_the_login_that_an_app_asks_for(
    idp: RunningIdp, bank: App, browser: Browser, somebody: Someone
) -> None:
    secret, _ = somebody.enrol(browser)
    page, _ = opened(bank, browser, prompt="login")
    flow = page.forms["login"].fields["flow"]
    step = Page(browser.open(f"{idp.url}/login/more?flow={flow}"))
    resumed = Page(browser.submit(step, "otp", code=pyotp.TOTP(secret).now()))
    assert "login" in resumed.forms


def test_a_step_up_ends_with_the_session_that_it_adds_to(
    idp: RunningIdp, bank: App, browser: Browser, somebody: Someone
) -> None:
    secret, _ = somebody.enrol(browser)
    page, _ = opened(bank, browser)
    browser.submit(Page(browser.open(f"{idp.url}/oauth/logout")), "logout", confirm="yes")
    refused = browser.submit(page, "otp", code=pyotp.TOTP(secret).now())
    assert refused.status_code == 400
    assert "login" in Page(browser.open(f"{idp.url}/account/security")).forms


def test_a_silent_request_is_told_that_a_login_is_needed(bank: App, browser: Browser, somebody: Someone) -> None:
    somebody.sign_in(browser)
    assert answer_of(opened(bank, browser, prompt="none")[0].response)["error"] == "login_required"


def test_a_password_alone_never_adds_a_second_factor_where_there_is_one(
    idp: RunningIdp, bank: App, browser: Browser, somebody: Someone
) -> None:
    page, _ = opened(bank, browser)
    page = Page(browser.submit(page, "login", username=somebody.name, password=PASSWORD))
    secret = secret_on(page)
    somebody.enrol(Browser(idp.url))
    late = browser.submit(page, "enrol", code=earlier(secret))
    assert (late.status_code, Page(late).main["data-error"]) == (400, "exists")
    assert browser.open(page.response.url).status_code == 400
    assert "idp-session" not in browser.http.cookies


def test_of_many_that_set_up_an_app_at_once_one_does(idp: RunningIdp, bank: App, somebody: Someone) -> None:
    ready = []
    for _ in range(4):
        browser = Browser(idp.url)
        page, _ = opened(bank, browser)
        page = Page(browser.submit(page, "login", username=somebody.name, password=PASSWORD))
        ready.append((browser, page, earlier(secret_on(page))))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda one: one[0].submit(one[1], "enrol", code=one[2]), ready))
    assert sorted(response.status_code for response in done) == [200, 400, 400, 400]


def test_setting_up_belongs_to_its_browser_and_is_never_the_first_step(
    idp: RunningIdp, bank: App, browser: Browser, somebody: Someone
) -> None:
    page, _ = opened(bank, browser)
    page = Page(browser.submit(page, "login", username=somebody.name, password=PASSWORD))
    thief = Browser(idp.url)
    opened(bank, thief)
    assert Page(thief.open(page.response.url)).main["data-error"] == "expired"
    form = page.forms["enrol"]
    posted = thief.http.post(form.action, data={**form.fields, "code": earlier(secret_on(page))}, timeout=30)
    assert Page(posted).main["data-error"] == "expired"
    for path in ("/login/enrol", "/login/enrol?step=x", "/login/more", "/login/more?flow=x"):
        assert Browser(idp.url).open(f"{idp.url}{path}").status_code == 400


def test_a_deployment_can_want_two_factors_of_everybody(tmp_path: Path) -> None:
    with RunningIdp(tmp_path, second_factor="required") as idp:
        person, browser = Someone.new(idp), Browser(idp.url)
        page = Page(person.sign_in(browser))
        enrol(browser, page)
        assert "On. We ask for a code" in browser.open(f"{idp.url}{SECURITY}").text
        app = App(idp.url, idp.client(redirect_uris=["https://app.test/cb"], consent="trusted"))
        url, verifier = app.authorize_url(acr_values="2fa")
        told = claims(app.redeem(answer_of(browser.open(url))["code"], verifier).json()["id_token"])
        assert told["acr"] == "2fa"


# -- what a client says -----------------------------------------------------------------------------------------------


def test_a_client_narrows_the_methods(idp: RunningIdp, browser: Browser, somebody: Someone) -> None:
    """At an address there are no passkeys, so this client has nobody."""
    somebody.sign_in(browser)
    metadata = {"redirect_uris": ["https://app.test/cb"], "consent": "trusted"}
    app = App(idp.url, idp.client(login_methods=["passkey"], **metadata))
    page, _ = opened(app, browser)
    assert page.main["data-error"] == "not_offered"
    assert answer_of(opened(app, browser, prompt="none")[0].response)["error"] == "login_required"
    app = App(idp.url, idp.client(login_methods=["passkey", "password"], **metadata))
    assert "code" in finished(browser, opened(app, browser)[0].response)


@pytest.mark.parametrize(
    "metadata",
    [{"login_methods": ["face"]}, {"login_methods": "password"}, {"second_factor": True}, {"second_factor": "never"}],
    ids=str,
)
def test_what_is_no_policy_is_refused(idp: RunningIdp, metadata: dict[str, object]) -> None:
    with pytest.raises(CliError, match=next(iter(metadata))):
        idp.client(redirect_uris=["https://x.test/cb"], **metadata)
