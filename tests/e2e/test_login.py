"""Logging in: prompts, ages and hints, lock-out, and pages that give nothing away."""

from __future__ import annotations

import pytest
import requests

from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import PASSWORD, RunningIdp


def login_again(app: App, browser: Browser, name: str, **parameters: str) -> dict[str, object]:
    answer, verifier = app.login(browser, name, **parameters)
    return claims(app.redeem(answer["code"], verifier).json()["id_token"])


def test_a_second_request_needs_no_second_login(web_app: App, browser: Browser) -> None:
    first = login_again(web_app, browser, "alice")
    answer = answer_of(browser.open(web_app.authorize_url(prompt="none")[0]))
    assert "code" in answer
    second = login_again(web_app, browser, "alice", max_age="10000")
    assert (first["auth_time"], first["sid"]) == (second["auth_time"], second["sid"])


@pytest.mark.parametrize("parameters", [{"prompt": "login"}, {"prompt": "select_account"}])
def test_a_fresh_login_is_asked_for(web_app: App, browser: Browser, parameters: dict[str, str]) -> None:
    login_again(web_app, browser, "alice")
    page = Page(browser.open(web_app.authorize_url(**parameters)[0]))
    assert "login" in page.forms
    response = browser.submit(page, "login", username="alice", password=PASSWORD)
    assert "code" in answer_of(response)


def test_max_age_zero_always_asks_again(web_app: App, browser: Browser) -> None:
    first = login_again(web_app, browser, "alice")
    url, verifier = web_app.authorize_url(max_age="0")
    page = Page(browser.open(url))
    answer = answer_of(browser.submit(page, "login", username="alice", password=PASSWORD))
    second = claims(web_app.redeem(answer["code"], verifier).json()["id_token"])
    assert (second["sid"], second["sub"]) == (first["sid"], first["sub"])
    assert second["auth_time"] >= first["auth_time"]


def test_a_hint_names_the_person_that_must_log_in(idp: RunningIdp, web_app: App, browser: Browser, person: str) -> None:
    answer, verifier = web_app.login(browser, "alice")
    hint = web_app.redeem(answer["code"], verifier).json()["id_token"]
    assert "code" in answer_of(browser.open(web_app.authorize_url(prompt="none", id_token_hint=hint)[0]))
    other = Browser(idp.url)
    web_app.login(other, person)
    silent = answer_of(other.open(web_app.authorize_url(prompt="none", id_token_hint=hint)[0]))
    assert silent["error"] == "login_required"
    page = Page(other.open(web_app.authorize_url(id_token_hint=hint)[0]))
    wrong = answer_of(other.submit(page, "login", username=person, password=PASSWORD))
    assert wrong["error"] == "login_required"


def test_an_access_token_is_no_hint(web_app: App, browser: Browser) -> None:
    token = web_app.tokens(browser, "alice")["access_token"]
    answer = answer_of(browser.open(web_app.authorize_url(prompt="none", id_token_hint=token)[0]))
    assert answer["error"] == "invalid_request"


def test_the_login_hint_fills_in_the_name(web_app: App, browser: Browser) -> None:
    page = Page(browser.open(web_app.authorize_url(login_hint='alice"><script>')[0]))
    assert page.forms["login"].fields["username"] == 'alice"><script>'
    assert "<script>" not in page.response.text


def test_consent_required_is_said_silently(web_app: App, browser: Browser, person: str, idp: RunningIdp) -> None:
    page = Page(browser.open(f"{idp.url}/login"))
    browser.submit(page, "login", username=person, password=PASSWORD)
    answer = answer_of(browser.open(web_app.authorize_url(prompt="none")[0]))
    assert answer["error"] == "consent_required"


def test_wrong_input_tells_nothing_apart(web_app: App, idp: RunningIdp, browser: Browser, person: str) -> None:
    idp.user(f"{person}-off")
    idp.cli("user", "disable", f"{person}-off")
    texts = set()
    for name, password in ((person, "wrong"), ("nobody-here", "wrong"), (f"{person}-off", PASSWORD), (person, "")):
        page = Page(browser.open(web_app.authorize_url()[0]))
        response = browser.submit(page, "login", username=name, password=password)
        assert response.status_code == 400
        page = Page(response)
        texts.add(response.text.replace(name, "").replace(page.forms["login"].fields["flow"], ""))
    stable = {"".join(line for line in text.splitlines() if "csrf" not in line) for text in texts}
    assert len(stable) == 1


def test_people_log_in_by_address_too(idp: RunningIdp, browser: Browser) -> None:
    page = Page(browser.open(f"{idp.url}/login"))
    assert "Hello" in browser.submit(page, "login", username="ALICE@example.com", password=PASSWORD).text


def test_too_many_failures_lock_strangers_out_but_not_the_owner(idp: RunningIdp, person: str) -> None:
    owner = Browser(idp.url)
    page = Page(owner.open(f"{idp.url}/login"))
    assert "Hello" in owner.submit(page, "login", username=person, password=PASSWORD).text
    stranger = Browser(idp.url)
    page = Page(stranger.open(f"{idp.url}/login"))
    statuses = [stranger.submit(page, "login", username=person, password="wrong").status_code for _ in range(11)]
    assert statuses == [400] * 10 + [429]
    locked = stranger.submit(page, "login", username=person, password=PASSWORD)
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 0
    page = Page(owner.open(f"{idp.url}/login"))
    assert "Hello" in owner.submit(page, "login", username=person, password=PASSWORD).text


def test_a_form_without_its_token_is_refused(idp: RunningIdp, browser: Browser) -> None:
    page = Page(browser.open(f"{idp.url}/login"))
    page.forms["login"].fields["csrf"] = "0" * 64
    response = browser.submit(page, "login", username="alice", password=PASSWORD)
    assert (response.status_code, Page(response).main["data-error"]) == (400, "expired")


def test_a_form_from_another_site_is_refused(idp: RunningIdp, browser: Browser) -> None:
    page = Page(browser.open(f"{idp.url}/login"))
    browser.http.headers["Sec-Fetch-Site"] = "cross-site"
    assert browser.submit(page, "login", username="alice", password=PASSWORD).status_code == 403


def test_pages_carry_their_protection(web_app: App, browser: Browser, idp: RunningIdp) -> None:
    login = browser.open(web_app.authorize_url()[0])
    policy = login.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action" not in policy
    assert "Cross-Origin-Opener-Policy" not in login.headers
    assert login.headers["Cache-Control"] == "no-store"
    assert login.headers["Referrer-Policy"] == "no-referrer"
    home = browser.open(f"{idp.url}/")
    assert "form-action 'self'" in home.headers["Content-Security-Policy"]
    assert home.headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_cookies_are_kept_from_scripts_and_strangers(web_app: App, idp: RunningIdp) -> None:
    response = requests.get(web_app.authorize_url()[0], allow_redirects=False)
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("idp-flow=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_each_login_gets_a_new_cookie(idp: RunningIdp, browser: Browser) -> None:
    page = Page(browser.open(f"{idp.url}/login"))
    browser.submit(page, "login", username="alice", password=PASSWORD)
    first = browser.http.cookies["idp-session"]
    page = Page(browser.open(f"{idp.url}/login"))
    browser.submit(page, "login", username="alice", password=PASSWORD)
    assert browser.http.cookies["idp-session"] != first
    old = requests.get(f"{idp.url}/", cookies={"idp-session": first})
    assert "Hello" not in old.text


def test_sign_up_is_off_unless_switched_on(idp: RunningIdp) -> None:
    assert requests.get(f"{idp.url}/signup").status_code == 404
