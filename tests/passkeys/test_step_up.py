"""`phr` on demand (RFC 9470): announced, reached by who has a passkey, and an error where it cannot be."""

from __future__ import annotations

import secrets

import pytest
import requests

from tests.oidc.rp import claims_parameter
from tests.passkeys.holder import FORM, Holder, options_of, sign_in
from tests.support.flows import App, Browser, Page, answer_of, claims
from tests.support.running import RunningIdp

UNMET = "unmet_authentication_requirements"
ESSENTIAL = claims_parameter(id_token={"acr": {"values": ["phr"], "essential": True}})


def test_the_level_is_announced(idp: RunningIdp) -> None:
    document = requests.get(f"{idp.url}/.well-known/openid-configuration", timeout=30).json()
    assert document["acr_values_supported"] == ["1fa", "2fa", "phr"]


@pytest.mark.parametrize("asked", [{"acr_values": "phr"}, {"claims": ESSENTIAL}], ids=["acr_values", "essential"])
def test_a_weaker_login_is_stepped_up(web_app: App, idp: RunningIdp, holder: Holder, asked: dict[str, str]) -> None:
    browser = Browser(idp.url)
    page = Page(sign_in(browser, idp, holder.name))
    step = page.forms[FORM].fields["step"]
    recovery = Page(browser.open(f"{idp.url}/login/recovery?step={step}"))
    browser.submit(recovery, "recovery", code=holder.codes[0])
    url, verifier = web_app.authorize_url(**asked)
    login = browser.open(url)
    assert "This needs one of your passkeys" in login.text
    answer = answer_of(holder.answer(browser, login))
    tokens = web_app.redeem(answer["code"], verifier).json()
    assert claims(tokens["id_token"])["acr"] == "phr"
    assert claims(tokens["access_token"])["acr"] == "phr"
    url, _ = web_app.authorize_url(prompt="none", **asked)
    assert "code" in answer_of(browser.open(url))


@pytest.mark.parametrize("prompt", [None, "none"])
def test_a_weaker_login_that_may_not_be_shown_a_page_is_told_so(
    web_app: App, idp: RunningIdp, browser: Browser, prompt: str | None
) -> None:
    """Nobody is asked for what they do not have."""
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name)
    sign_in(browser, idp, name)
    url, _ = web_app.authorize_url(prompt=prompt, claims=ESSENTIAL)
    assert answer_of(browser.open(url))["error"] == UNMET


def test_who_signs_in_without_a_passkey_where_one_is_needed(web_app: App, idp: RunningIdp, browser: Browser) -> None:
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name)
    answer, _ = web_app.login(browser, name, claims=ESSENTIAL)
    assert answer["error"] == UNMET


def test_a_code_does_not_reach_what_needs_a_passkey(web_app: App, browser: Browser, holder: Holder) -> None:
    page, _ = holder.password(browser, web_app, claims=ESSENTIAL)
    step = Page(page).forms[FORM].fields["step"]
    recovery = Page(browser.open(f"{holder.idp.url}/login/recovery?step={step}"))
    assert answer_of(browser.submit(recovery, "recovery", code=holder.codes[0]))["error"] == UNMET


def test_a_trusted_browser_is_asked_where_a_passkey_is_needed(web_app: App, browser: Browser, holder: Holder) -> None:
    page, _ = holder.password(browser, web_app)
    answer = holder.authenticator.get(options_of(page))
    browser.submit(Page(page), FORM, response=answer, trust="yes")
    page, verifier = holder.password(browser, web_app, prompt="login", claims=ESSENTIAL)
    assert "trust" not in Page(page).forms[FORM].fields
    answer_ = answer_of(holder.answer(browser, page))
    assert claims(web_app.redeem(answer_["code"], verifier).json()["id_token"])["acr"] == "phr"


def test_at_an_address_there_is_no_passkey_and_no_phr(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Browsers bind passkeys to names."""
    with RunningIdp(tmp_path_factory.mktemp("address")) as running:
        document = requests.get(f"{running.url}/.well-known/openid-configuration", timeout=30).json()
        assert document["acr_values_supported"] == ["1fa", "2fa"]
        login = requests.get(f"{running.url}/login", timeout=30)
        assert "passkeys.js" not in login.text
        assert "script-src" not in login.headers["Content-Security-Policy"]
        assert requests.post(f"{running.url}/login/passkey", data={"response": "{}"}, timeout=30).status_code == 404
