"""Signing in with a passkey alone, and what is told of it in the tokens."""

from __future__ import annotations

import secrets

import pytest

from tests.passkeys.holder import SECURITY, Holder, options_of
from tests.support.flows import App, Browser, answer_of, claims
from tests.support.running import RunningIdp


def test_a_passkey_alone_signs_in_and_is_told_in_the_tokens(web_app: App, browser: Browser, holder: Holder) -> None:
    url, verifier = web_app.authorize_url()
    answer = answer_of(holder.answer(browser, browser.open(url)))
    tokens = web_app.redeem(answer["code"], verifier).json()
    for told in (claims(tokens["id_token"]), claims(tokens["access_token"])):
        assert told["acr"] == "phr"
        assert set(told["amr"]) == {"pop", "user", "mfa"}


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_keys_of_every_algorithm_sign_in(idp: RunningIdp, browser: Browser, algorithm: str) -> None:
    name = f"person-{secrets.token_hex(4)}"
    idp.user(name)
    holder = Holder.enrolled(idp, name, algorithm=algorithm)
    for _ in range(2):
        assert f"Signed in as <strong>{name}</strong>" in holder.sign_in(Browser(idp.url)).text


def test_the_browser_is_asked_for_any_passkey_with_the_person_verified(idp: RunningIdp, browser: Browser) -> None:
    page = browser.open(f"{idp.url}{SECURITY}")
    options = options_of(page)
    assert options["rpId"] == "localhost"
    assert options["userVerification"] == "required"
    assert options["allowCredentials"] == []
    assert options_of(browser.open(page.url))["challenge"] != options["challenge"]
