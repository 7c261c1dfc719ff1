"""Log in with a provider: the way there and back, what it gives, and who gets in."""

from __future__ import annotations

import concurrent.futures
import time
from base64 import b64decode
from pathlib import Path
from urllib.parse import unquote, urlencode

import pyotp
import pytest

from tests.support.flows import App, Browser, Page, answer_of
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.support.running import PASSWORD, RunningIdp
from tests.upstream.support import Upstream, is_home, new_name, stopped, way_back, who
from tests.users.joining import joined
from tests.users.mail import letter_about, link_in
from tests.users.test_second_factor import enrol


def test_a_new_person_gets_an_account_and_the_app_its_answer(
    upstream: Upstream, provider: Provider, web_app: App, browser: Browser
) -> None:
    name = new_name()
    address = f"{name}@example.com"
    provider.person |= {"name": "Ada L.", "preferred_username": name, "email": address, "email_verified": True}
    told = upstream.log_in_to(web_app, browser, nonce="of the app")
    person = who(upstream.idp, name)
    assert told["sub"] == person["sub"]
    assert (told["amr"], told["acr"], told["nonce"]) == (["fed"], "1fa", "of the app")
    assert person["email"] == address
    assert person["email_verified"] is True
    assert person["claims"] == {"name": "Ada L."}

    again = upstream.log_in_to(web_app, Browser(upstream.idp.url))
    assert again["sub"] == person["sub"]


def test_the_request_is_bound_to_one_browser_and_one_moment(
    upstream: Upstream, provider: Provider, browser: Browser
) -> None:
    upstream.leave(browser)
    upstream.leave(browser)
    first, second = provider.asked["/authorize"]
    assert first["response_type"] == "code"
    assert first["client_id"] == CLIENT_ID
    assert first["redirect_uri"] == upstream.callback
    assert first["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]


def test_our_secret_is_sent_as_the_standard_wants(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    upstream.log_in(browser)
    pair = b64decode(provider.headers[0]["authorization"].removeprefix("Basic ")).decode()
    assert tuple(map(unquote, pair.split(":"))) == (CLIENT_ID, CLIENT_SECRET)
    assert "client_secret" not in provider.asked["/token"][0]


@pytest.mark.parametrize(
    ("said", "verified"), [(True, True), ("true", True), (False, False), (1, False), ("yes", False), (None, False)]
)
def test_only_what_a_trusted_provider_calls_verified_is(
    upstream: Upstream, provider: Provider, browser: Browser, said: object, verified: bool
) -> None:
    name = new_name()
    provider.person |= {"preferred_username": name, "email": f"{name}@example.com", "email_verified": said}
    assert is_home(upstream.log_in(browser), name)
    assert who(upstream.idp, name)["email_verified"] is verified


def test_an_address_that_nobody_proved_is_asked_for_by_a_letter(
    upstream: Upstream, provider: Provider, browser: Browser
) -> None:
    idp, name = upstream.idp, new_name()
    provider.person |= {"preferred_username": name, "email": f"{name}@example.com", "email_verified": False}
    assert is_home(upstream.log_in(browser), name)
    assert who(idp, name)["email"] is None
    link = link_in(letter_about(idp, f"{name}@example.com", "is this your new address"))
    reader = Browser(idp.url)
    assert reader.submit(Page(reader.open(link)), "email-confirm").status_code == 200
    assert (who(idp, name)["email"], who(idp, name)["email_verified"]) == (f"{name}@example.com", True)


def test_an_address_that_nobody_proved_is_held_for_nobody(
    upstream: Upstream, provider: Provider, browser: Browser
) -> None:
    """Whoever writes somebody's address into an account elsewhere has no way into the account that they make later."""
    idp, name = upstream.idp, new_name()
    provider.person |= {"preferred_username": f"{name}-thief", "email": f"{name}@example.com", "email_verified": False}
    assert is_home(upstream.log_in(browser), f"{name}-thief")
    link, owner = link_in(letter_about(idp, f"{name}@example.com", "is this your new address")), Browser(idp.url)
    fields = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    assert "Your account is made" in joined(idp, owner, Page(owner.open(f"{idp.url}/signup")), **fields).text
    assert owner.submit(Page(owner.open(link)), "email-confirm").status_code == 400
    assert is_home(upstream.log_in(Browser(idp.url)), f"{name}-thief")
    assert who(idp, name)["email"] == f"{name}@example.com"


def test_an_untrusted_provider_verifies_nothing(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    upstream.change(trusts_email=None)
    name = new_name()
    provider.person |= {"preferred_username": name, "email": f"{name}@example.com", "email_verified": True}
    assert is_home(upstream.log_in(browser), name)
    assert who(upstream.idp, name)["email_verified"] is False


def test_claims_are_mapped_and_what_does_not_fit_is_left_out(
    upstream: Upstream, provider: Provider, browser: Browser
) -> None:
    name = new_name()
    upstream.change(claims={"sub": "sub", "preferred_username": "login", "given_name": "first", "picture": "face"})
    provider.person |= {"login": name, "first": "Grace", "face": "javascript:alert(1)", "email": "x@example.com"}
    assert is_home(upstream.log_in(browser), name)
    person = who(upstream.idp, name)
    assert person["claims"] == {"given_name": "Grace"}
    assert person["email"] is None


def test_a_user_name_that_is_taken_is_made_distinct(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    name = new_name()
    upstream.idp.user(name)
    provider.person |= {"preferred_username": name}
    assert is_home(upstream.log_in(browser), f"{name}-")


@pytest.mark.parametrize(("sign_up", "comes_in"), [("yes", True), ("policy", True), ("no", False)])
def test_strangers_come_in_as_the_provider_says(
    upstream: Upstream, provider: Provider, browser: Browser, sign_up: str, comes_in: bool
) -> None:
    upstream.change(sign_up=sign_up)
    name = new_name()
    provider.person |= {"preferred_username": name}
    response = upstream.log_in(browser)
    assert is_home(response, name) is comes_in
    if not comes_in:
        assert stopped(response) == "stranger"


@pytest.mark.parametrize(("sign_up", "shown"), [("yes", True), ("policy", True), ("no", False)])
def test_the_sign_up_page_offers_those_who_let_strangers_in(
    upstream: Upstream, provider: Provider, browser: Browser, sign_up: str, shown: bool
) -> None:
    upstream.change(sign_up=sign_up)
    page = Page(browser.open(f"{upstream.idp.url}/signup"))
    button = f"upstream-{upstream.name}"
    assert (button in page.forms) is shown
    if shown:
        name = new_name()
        provider.person |= {"preferred_username": name}
        assert is_home(upstream.arrive(browser, upstream.leave(browser, page)), name)


def test_the_sign_up_page_leads_back_to_the_app_that_asked(
    upstream: Upstream, provider: Provider, web_app: App, browser: Browser
) -> None:
    provider.person |= {"preferred_username": new_name()}
    flow = Page(browser.open(web_app.authorize_url()[0])).forms["login"].fields["flow"]
    page = Page(browser.open(f"{upstream.idp.url}/signup?flow={flow}"))
    assert "code" in answer_of(upstream.arrive(browser, upstream.leave(browser, page)))


def test_accounts_made_with_providers_count_as_sign_ups(tmp_path: Path, provider: Provider) -> None:
    with RunningIdp(tmp_path, host="localhost", signup="on", signup_max="2") as idp:
        upstream = Upstream.registered(idp, provider, "other")
        for number, status in enumerate((200, 200, 429)):
            provider.person |= {"sub": f"stranger-{number}", "preferred_username": new_name()}
            response = upstream.log_in(Browser(idp.url))
            assert response.status_code == status
        assert "Try again in 60 minutes" in response.text
        assert int(response.headers["Retry-After"]) > 3000
        page = Page((browser := Browser(idp.url)).open(f"{idp.url}/signup"))
        fields = {"username": "ada", "email": "ada@example.com", "password": "correct horse 47 staple"}
        assert browser.submit(page, "signup", **fields).status_code == 429
        provider.person |= {"sub": "stranger-0"}
        assert upstream.log_in(Browser(idp.url)).status_code == 200, "who has an account still comes in"


def test_parallel_answers_for_one_stranger_make_one_account(upstream: Upstream, provider: Provider) -> None:
    name = new_name()
    provider.person |= {"preferred_username": name, "email": f"{name}@example.com", "email_verified": True}
    browsers = [Browser(upstream.idp.url) for _ in range(8)]
    answers = [upstream.leave(browser) for browser in browsers]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(upstream.arrive, browsers, answers))
    assert all(is_home(response, name) for response in responses), [one.text for one in responses]
    everybody = upstream.idp.cli("user", "list")
    assert [one["username"] for one in everybody if one["username"].startswith(name)] == [name]


def test_parallel_uses_of_one_answer_log_in_once(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    answer = upstream.leave(browser)
    cookies = browser.http.cookies

    def arrive(_number: int) -> str:
        other = Browser(upstream.idp.url)
        other.http.cookies.update(cookies)
        return upstream.arrive(other, answer).text

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(arrive, range(8)))
    assert sum("You are signed in as" in text for text in texts) == 1
    assert len(provider.asked["/token"]) == 1


def test_a_disabled_person_stays_out(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    name = new_name()
    provider.person |= {"preferred_username": name}
    assert is_home(upstream.log_in(browser), name)
    upstream.idp.cli("user", "disable", name)
    assert stopped(upstream.log_in(Browser(upstream.idp.url))) == "disabled"


def test_a_disabled_provider_is_off_at_once_with_its_button(
    upstream: Upstream, provider: Provider, browser: Browser
) -> None:
    page = Page(browser.open(f"{upstream.idp.url}/login"))
    answer = upstream.leave(browser, page)
    upstream.idp.cli("upstream", "disable", upstream.name)
    assert stopped(upstream.arrive(browser, answer)) == "unknown"
    assert stopped(browser.submit(page, f"upstream-{upstream.name}")) == "unknown"
    assert f"upstream-{upstream.name}" not in Page(browser.open(f"{upstream.idp.url}/login")).forms
    assert "/token" not in provider.asked


def test_our_second_factor_is_asked_for_after_it(idp: RunningIdp, upstream: Upstream, browser: Browser) -> None:
    name = new_name()
    idp.user(name, "--email-verified")
    upstream.provider.person |= {"email": f"{name}@example.com", "email_verified": True}
    secret, _ = enrol(idp, name)
    page = Page(upstream.log_in(browser))
    assert "otp" in page.forms
    assert is_home(browser.submit(page, "otp", code=pyotp.TOTP(secret).at(int(time.time()) + 30)), name)


def test_how_they_authenticated_counts_where_the_provider_is_trusted_for_it(
    upstream: Upstream, provider: Provider, web_app: App
) -> None:
    provider.person |= {"amr": ["pwd", "otp", "mfa"]}
    assert upstream.log_in_to(web_app, Browser(upstream.idp.url))["amr"] == ["fed"]
    upstream.change(trusts_amr=True)
    told = upstream.log_in_to(web_app, Browser(upstream.idp.url))
    assert (told["amr"], told["acr"]) == (["fed", "pwd", "otp", "mfa"], "2fa")


def test_whoever_must_prove_themselves_again_must_do_so_there(
    upstream: Upstream, provider: Provider, web_app: App, browser: Browser
) -> None:
    upstream.log_in_to(web_app, browser)
    upstream.log_in_to(web_app, browser, prompt="login")
    upstream.log_in_to(web_app, Browser(upstream.idp.url), max_age="60")
    assert [asked.get("prompt") for asked in provider.asked["/authorize"]] == [None, "login", "login"]


def test_the_app_is_told_when_the_person_gives_up(
    upstream: Upstream, provider: Provider, web_app: App, browser: Browser
) -> None:
    url, _ = web_app.authorize_url()
    provider.answer = lambda answer: answer.update(error="access_denied", code="")
    response = upstream.arrive(browser, upstream.leave(browser, Page(browser.open(url))))
    assert stopped(response) == "denied"
    assert "You did not allow it at The Other" in response.text
    back = Page(browser.open(way_back(response)))
    assert f"upstream-{upstream.name}" in back.forms
    assert answer_of(browser.submit(back, "cancel"))["error"] == "access_denied"


def test_the_order_of_the_buttons_is_the_operators(idp: RunningIdp, upstream: Upstream, browser: Browser) -> None:
    first = Upstream.registered(idp, upstream.provider, new_name(), position=1, title="First")
    last = Upstream.registered(idp, upstream.provider, new_name(), position=900, title="Last <b>")
    page = browser.open(f"{idp.url}/login")
    names = [name for name in Page(page).forms if name.startswith("upstream-")]
    assert names[0] == f"upstream-{first.name}"
    assert names[-1] == f"upstream-{last.name}"
    assert "Continue with Last &lt;b&gt;" in page.text
    for one in (first, last):
        idp.cli("upstream", "delete", one.name)


def test_nothing_of_the_provider_is_kept_or_logged(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    answer = upstream.leave(browser)
    assert upstream.arrive(browser, answer).status_code == 200
    logs = upstream.idp.logs("callback")
    for secret in (answer["code"], answer["state"], CLIENT_SECRET, "never kept"):
        assert secret not in logs
    assert urlencode({"secret": CLIENT_SECRET}) not in logs
