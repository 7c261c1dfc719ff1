"""What must not log anybody in: forged, foreign, replayed and broken answers. Each is told in words, none is an error of ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.support.flows import Browser, Page
from tests.support.provider import Provider
from tests.support.running import RunningIdp
from tests.upstream.support import Upstream, is_home, new_name, stopped, way_back


def is_nobody(idp: RunningIdp, browser: Browser) -> bool:
    return "You are signed in as" not in browser.open(idp.url).text


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "\u00e9", "%00"])
def test_a_forged_state(upstream: Upstream, provider: Provider, browser: Browser, state: str) -> None:
    answer = upstream.leave(browser)
    response = upstream.arrive(browser, {**answer, "state": state})
    assert response.status_code == 400
    assert "/token" not in provider.asked
    assert is_nobody(upstream.idp, browser)


def test_the_state_of_another_browser(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    answer, victim = upstream.leave(browser), Browser(upstream.idp.url)
    victim.open(f"{upstream.idp.url}/login")
    for other in (victim, Browser(upstream.idp.url)):
        assert stopped(upstream.arrive(other, answer)) == "expired"
        assert is_nobody(upstream.idp, other)
    assert "/token" not in provider.asked


def test_a_replayed_answer(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    answer = upstream.leave(browser)
    assert upstream.arrive(browser, answer).status_code == 200
    assert stopped(upstream.arrive(browser, answer)) == "expired"
    assert len(provider.asked["/token"]) == 1


def test_an_answer_that_stopped_cannot_be_tried_again(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    answer = upstream.leave(browser)
    assert stopped(upstream.arrive(browser, {**answer, "iss": "https://evil.test"})) == "untrusted"
    assert stopped(upstream.arrive(browser, answer)) == "expired"


def test_an_answer_for_another_provider(idp: RunningIdp, upstream: Upstream, browser: Browser) -> None:
    with Provider() as evil:
        other = Upstream.registered(idp, evil, new_name())
        answer = upstream.leave(browser)
        assert stopped(other.arrive(browser, answer)) == "expired"
        assert "/token" not in evil.asked
        idp.cli("upstream", "delete", other.name)


@pytest.mark.parametrize("iss", ["https://evil.test", "", None])
def test_an_answer_that_names_another_issuer_or_none(
    upstream: Upstream, provider: Provider, browser: Browser, iss: str | None
) -> None:
    provider.answer = lambda answer: answer.pop("iss") if iss is None else answer.update(iss=iss)
    assert stopped(upstream.log_in(browser)) == "untrusted"
    assert "/token" not in provider.asked


NOW = int(time.time())
BAD_CLAIMS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another nonce": lambda claims: claims.update(nonce="another"),
    "no nonce": lambda claims: claims.pop("nonce"),
    "another audience": lambda claims: claims.update(aud="somebody else"),
    "no audience": lambda claims: claims.pop("aud"),
    "audiences without azp": lambda claims: claims.update(aud=[claims["aud"], "somebody else"]),
    "another azp": lambda claims: claims.update(azp="somebody else"),
    "another issuer": lambda claims: claims.update(iss="https://evil.test"),
    "no issuer": lambda claims: claims.pop("iss"),
    "expired": lambda claims: claims.update(iat=NOW - 900, exp=NOW - 600),
    "no end": lambda claims: claims.pop("exp"),
    "an end that is no number": lambda claims: claims.update(exp="tomorrow"),
    "not valid yet": lambda claims: claims.update(nbf=NOW + 3600),
    "issued in the future": lambda claims: claims.update(iat=NOW + 3600),
    "another at_hash": lambda claims: claims.update(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "an at_hash that is no text": lambda claims: claims.update(at_hash=7),
    "no sub": lambda claims: claims.pop("sub"),
    "an empty sub": lambda claims: claims.update(sub=""),
    "a sub that is a list": lambda claims: claims.update(sub=["x"]),
    "a sub without end": lambda claims: claims.update(sub="x" * 256),
    "a sub with control characters": lambda claims: claims.update(sub="x\u0000"),
}


@pytest.mark.parametrize("fault", BAD_CLAIMS)
def test_an_id_token_that_is_not_for_this_login(
    upstream: Upstream, provider: Provider, browser: Browser, fault: str
) -> None:
    provider.alter = BAD_CLAIMS[fault]  # type: ignore[assignment] # what a lambda returns is of no interest
    assert stopped(upstream.log_in(browser)) == "untrusted"
    assert is_nobody(upstream.idp, browser)


def test_several_audiences_with_us_as_authorized_party(
    upstream: Upstream, provider: Provider, browser: Browser
) -> None:
    name = new_name()
    provider.person |= {"preferred_username": name}
    provider.alter = lambda claims: claims.update(azp=claims["aud"], aud=[claims["aud"], "somebody else"])
    assert is_home(upstream.log_in(browser), name)


@pytest.mark.parametrize("how", ["unsigned", "signed_with_its_public_key"])
def test_an_id_token_without_a_signature_of_its_key(
    upstream: Upstream, provider: Provider, browser: Browser, how: str
) -> None:
    provider.sign = getattr(provider, how)
    assert stopped(upstream.log_in(browser)) == "untrusted"
    assert is_nobody(upstream.idp, browser)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", 7, None, ["x"], "\u00e9.\u00e9.\u00e9"])
def test_what_is_no_id_token(upstream: Upstream, provider: Provider, browser: Browser, token: Any) -> None:
    provider.sign = lambda _claims: token
    assert stopped(upstream.log_in(browser)) == "untrusted"


def test_a_key_the_provider_made_since_is_found(upstream: Upstream, provider: Provider) -> None:
    for _ in range(2):
        name = new_name()
        provider.person = {"sub": name, "preferred_username": name}
        assert is_home(upstream.log_in(Browser(upstream.idp.url)), name)
        provider.rotate()


def test_userinfo_about_somebody_else(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    provider.userinfo = {**provider.person, "sub": "somebody else"}
    assert stopped(upstream.log_in(browser)) == "untrusted"


@pytest.mark.parametrize("userinfo", [[], "x", None, 7])
def test_userinfo_that_is_nothing(upstream: Upstream, provider: Provider, browser: Browser, userinfo: Any) -> None:
    provider.userinfo = userinfo if userinfo is not None else {}
    assert stopped(upstream.log_in(browser)) == "untrusted"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"])
def test_a_provider_that_is_down_is_told_in_words_and_comes_back(
    upstream: Upstream, provider: Provider, browser: Browser, path: str
) -> None:
    provider.down.add(path)
    page = Page(browser.open(f"{upstream.idp.url}/login"))
    response = browser.submit(page, f"upstream-{upstream.name}")
    if "Location" in response.headers:
        response = upstream.arrive(browser, provider.authorize(response.headers["Location"]))
    assert stopped(response) in {"away", "untrusted"}
    assert "The Other" in response.text
    provider.down.clear()
    assert f"upstream-{upstream.name}" in Page(browser.open(way_back(response))).forms


def test_a_provider_that_never_answers_holds_nobody_for_long(
    upstream: Upstream, provider: Provider, browser: Browser
) -> None:
    answer = upstream.leave(browser)
    over = threading.Event()
    provider.slow = lambda: over.wait(60)  # longer than we wait for anybody
    try:
        assert stopped(upstream.arrive(browser, answer)) == "away"
    finally:
        over.set()


@pytest.mark.parametrize("issuer", ["https://10.1.2.3", "https://169.254.169.254", "http://127.0.0.1:9"])
def test_an_address_that_must_not_be_asked_is_not(idp: RunningIdp, browser: Browser, issuer: str) -> None:
    with Provider() as provider:
        other = Upstream.registered(idp, provider, new_name(), issuer=issuer)
        page = Page(browser.open(f"{idp.url}/login"))
        assert stopped(browser.submit(page, f"upstream-{other.name}")) == "away"
        idp.cli("upstream", "delete", other.name)


def test_a_discovery_document_of_another_issuer(idp: RunningIdp, upstream: Upstream, browser: Browser) -> None:
    upstream.provider.documented["issuer"] = "https://accounts.google.com"
    page = Page(browser.open(f"{idp.url}/login"))
    assert stopped(browser.submit(page, f"upstream-{upstream.name}")) == "untrusted"


@pytest.mark.parametrize("error", ["server_error", "invalid_scope", "login_required", "\u00e9'\"<script>"])
def test_errors_of_the_provider_in_words(upstream: Upstream, provider: Provider, browser: Browser, error: str) -> None:
    provider.answer = lambda answer: answer.update(error=error, error_description="<b>internal</b>")
    response = upstream.log_in(browser)
    assert stopped(response) == ("away" if error == "server_error" else "refused")
    assert "internal" not in response.text
    assert "script" not in response.text


def test_the_button_works_only_from_our_own_page(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    page = Page(browser.open(f"{upstream.idp.url}/login"))
    form = page.forms[f"upstream-{upstream.name}"]
    elsewhere = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}
    for data, headers, status in ((form.fields, elsewhere, 403), ({"csrf": "x"}, {}, 400)):
        response = browser.http.post(form.action, data=data, headers=headers, allow_redirects=False, timeout=30)
        assert response.status_code == status
    assert requests.post(form.action, data=form.fields, allow_redirects=False, timeout=30).status_code == 400
    assert requests.get(form.action, timeout=30).status_code == 405


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["nobody", "..", "%00", "a" * 300])
def test_callbacks_nobody_waits_for(idp: RunningIdp, method: str, name: str) -> None:
    url = f"{idp.url}/login/upstream/{name}/callback"
    response = requests.request(
        method, url, params={"state": "x"}, data={"state": "x"} if method == "post" else None, timeout=30
    )
    assert response.status_code in {400, 404, 405, 415}
