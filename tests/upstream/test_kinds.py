"""Providers that are not plain OpenID Connect: GitHub-style OAuth 2, Apple-like form posts, Microsoft-like tenants."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.support.flows import Browser
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, Provider, apple_key
from tests.support.running import RunningIdp
from tests.upstream.support import Upstream, is_home, new_name, signed_in, stopped, who

TENANT, FOREIGN = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"


def github_like(idp: RunningIdp, provider: Provider) -> Upstream:
    """The preset of GitHub, at the simulator's address."""
    endpoints = {"authorization": "authorize", "token": "token", "userinfo": "userinfo", "emails": "emails"}
    urls = {f"{name}_endpoint": f"{provider.url}/{path}" for name, path in endpoints.items()}
    return Upstream.registered(idp, provider, new_name(), preset="github", issuer=None, **urls)


@pytest.fixture
def octocat(provider: Provider) -> str:
    """Somebody at GitHub, with a private and a primary address."""
    login = new_name()
    provider.documented = {}
    provider.person = {"id": secrets.randbelow(10**9), "login": login, "name": None, "email": "public@profile.test"}
    provider.emails = [
        {"email": f"{login}@private.test", "primary": False, "verified": True},
        {"email": f"{login}@example.com", "primary": True, "verified": True},
    ]
    return login


def test_plain_oauth_reads_the_person_and_the_primary_verified_address(
    idp: RunningIdp, provider: Provider, octocat: str, browser: Browser
) -> None:
    upstream = github_like(idp, provider)
    assert is_home(upstream.log_in(browser), octocat)
    person = who(idp, octocat)
    assert (person["email"], person["email_verified"]) == (f"{octocat}@example.com", True)
    asked = provider.asked["/authorize"][0]
    assert asked["scope"] == "read:user user:email"
    assert "nonce" not in asked
    assert provider.asked["/token"][0]["client_secret"] == CLIENT_SECRET
    assert is_home(upstream.log_in(Browser(idp.url)), octocat)


@pytest.mark.parametrize("emails", [[], [{"email": "x@example.com", "primary": False, "verified": True}], {}, ["x"]])
def test_plain_oauth_without_a_primary_address_gives_none(
    idp: RunningIdp, provider: Provider, octocat: str, browser: Browser, emails: Any
) -> None:
    provider.emails = emails
    assert is_home(github_like(idp, provider).log_in(browser), octocat)
    assert who(idp, octocat)["email"] is None


def test_plain_oauth_with_an_unverified_address_links_nothing(
    idp: RunningIdp, provider: Provider, octocat: str, browser: Browser
) -> None:
    idp.user(octocat, "--email-verified")
    assert provider.emails is not None
    provider.emails[1]["verified"] = False
    github = github_like(idp, provider)
    assert is_home(github.log_in(browser), f"{octocat}-")
    provider.emails[1]["verified"] = True
    assert is_home(github.log_in(Browser(idp.url)), f"{octocat}-"), "it is theirs by now"
    assert is_home(github_like(idp, provider).log_in(Browser(idp.url)), octocat)


@pytest.mark.parametrize(("path", "code"), [("/userinfo", "away"), ("/emails", "away"), ("/token", "away")])
def test_plain_oauth_whose_api_is_down(
    idp: RunningIdp, provider: Provider, octocat: str, browser: Browser, path: str, code: str
) -> None:
    provider.down.add(path)
    assert stopped(github_like(idp, provider).log_in(browser)) == code


@pytest.mark.parametrize("person", [{"login": "x"}, {"id": True}, {"id": None}, {"id": [1]}, [], "x"])
def test_plain_oauth_that_names_nobody(
    idp: RunningIdp, provider: Provider, octocat: str, browser: Browser, person: Any
) -> None:
    provider.userinfo = person
    assert stopped(github_like(idp, provider).log_in(browser)) == "untrusted"


# -- Apple ----------------------------------------------------------------------------------------------------


@pytest.fixture
def apple(idp: RunningIdp, provider: Provider) -> Upstream:
    """The preset of Apple, at the simulator's address."""
    provider.documented = {}
    settings = {"preset": "apple", "client_secret": apple_key(), "team_id": "TEAM", "key_id": "KEY"}
    return Upstream.registered(idp, provider, new_name(), **settings)


def post_back(upstream: Upstream, answer: dict[str, str]) -> requests.Response:
    """The form that Apple's page posts: from another site, so without our cookies."""
    headers = {"Origin": "https://appleid.apple.com", "Sec-Fetch-Site": "cross-site"}
    return requests.post(upstream.callback, data=answer, headers=headers, allow_redirects=False, timeout=30)


def told_once(first: str = "Ada", last: str = "Lovelace") -> str:
    return json.dumps({"name": {"firstName": first, "lastName": last}, "email": "evil@victim.test"})


def test_an_answer_by_form_post_goes_on_by_get_with_the_name_told_once(
    apple: Upstream, provider: Provider, browser: Browser
) -> None:
    name = new_name()
    provider.person |= {"email": f"{name}@example.com", "email_verified": "true"}
    answer = {**apple.leave(browser), "user": told_once()}
    redirect = post_back(apple, answer)
    assert redirect.status_code == 303
    assert answer["code"] not in redirect.headers["Location"]
    assert browser.open(redirect.headers["Location"]).status_code == 200
    person = who(apple.idp, name)
    assert (person["email"], person["email_verified"]) == (f"{name}@example.com", True)
    assert person["claims"] == {"name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace"}
    assert provider.asked["/authorize"][0]["response_mode"] == "form_post"


def test_the_client_secret_is_a_fresh_jwt_of_the_key(idp: RunningIdp, provider: Provider, browser: Browser) -> None:
    key = apple_key()
    settings = {"preset": "apple", "client_secret": key, "team_id": "TEAM", "key_id": "KEY"}
    apple = Upstream.registered(idp, provider, new_name(), **settings)
    browser.open(post_back(apple, apple.leave(browser)).headers["Location"])
    sent = jwt.decode(provider.asked["/token"][0]["client_secret"], ECKey.import_key(key), algorithms=["ES256"])
    assert sent.header["kid"] == "KEY"
    assert (sent.claims["iss"], sent.claims["sub"], sent.claims["aud"]) == ("TEAM", CLIENT_ID, provider.issuer)
    assert 0 < sent.claims["exp"] - time.time() <= 300


@pytest.mark.parametrize("user", ["", "{", "[]", '{"name": 7}', '{"name": {"firstName": ["x"]}}', "[" * 500])
def test_a_name_that_is_none_does_not_matter(apple: Upstream, browser: Browser, user: str) -> None:
    response = browser.open(post_back(apple, {**apple.leave(browser), "user": user}).headers["Location"])
    assert response.status_code == 200
    assert "You are signed in as" in response.text


def test_a_posted_answer_is_kept_once_and_only_for_who_waits(apple: Upstream, browser: Browser) -> None:
    answer = apple.leave(browser)
    assert post_back(apple, {**answer, "state": "forged"}).status_code == 400
    assert post_back(apple, {**answer, "user": "x" * 9000}).status_code == 400
    first = post_back(apple, answer)
    assert first.status_code == 303
    assert post_back(apple, {**answer, "code": "another"}).status_code == 400
    location = first.headers["Location"]
    assert stopped(Browser(apple.idp.url).open(location)) == "expired"
    assert "You are signed in as" in browser.open(location).text
    assert stopped(browser.open(location)) == "expired"


def test_whoever_gives_up_at_apple_is_told_so(apple: Upstream, browser: Browser) -> None:
    state = apple.leave(browser)["state"]
    answer = {"state": state, "error": "user_cancelled_authorize"}
    assert stopped(browser.open(post_back(apple, answer).headers["Location"])) == "denied"


# -- Microsoft ------------------------------------------------------------------------------------------------


@pytest.fixture
def microsoft(idp: RunningIdp, provider: Provider) -> Upstream:
    """The preset of Microsoft, at the simulator's address, for one tenant."""
    template = f"{provider.url}/{{tenantid}}/v2.0"
    provider.documented = {"issuer": template}
    provider.person |= {"tid": TENANT}
    provider.issuer = f"{provider.url}/{TENANT}/v2.0"
    settings = {"preset": "microsoft", "issuer": template, "tenants": [TENANT]}
    discovery = f"{provider.url}/common/v2.0/.well-known/openid-configuration"
    return Upstream.registered(idp, provider, new_name(), discovery=discovery, **settings)


def test_the_issuer_is_that_of_the_tenant(microsoft: Upstream, provider: Provider, browser: Browser) -> None:
    name = new_name()
    provider.person |= {"preferred_username": f"{name}@tenant.test"}
    assert is_home(microsoft.log_in(browser), name)
    assert is_home(microsoft.log_in(Browser(microsoft.idp.url)), name)


def test_a_tenant_that_is_not_named_stays_out(microsoft: Upstream, provider: Provider, browser: Browser) -> None:
    provider.person["tid"] = FOREIGN
    provider.issuer = f"{provider.url}/{FOREIGN}/v2.0"
    response = microsoft.log_in(browser)
    assert stopped(response) == "tenant"
    assert "Your organisation" in response.text


@pytest.mark.parametrize("tid", [FOREIGN, None, "", "../../common", 7])
def test_a_tenant_that_does_not_fit_the_issuer(
    microsoft: Upstream, provider: Provider, browser: Browser, tid: Any
) -> None:
    microsoft.change(tenants=None)
    provider.person["tid"] = tid
    assert stopped(microsoft.log_in(browser)) == "untrusted"


def test_the_same_sub_in_another_tenant_is_somebody_else(microsoft: Upstream, provider: Provider) -> None:
    microsoft.change(tenants=None)
    first, second = new_name(), new_name()
    provider.person |= {"preferred_username": first}
    assert is_home(microsoft.log_in(Browser(microsoft.idp.url)), first)
    provider.person |= {"tid": FOREIGN, "preferred_username": second}
    provider.issuer = f"{provider.url}/{FOREIGN}/v2.0"
    assert is_home(microsoft.log_in(Browser(microsoft.idp.url)), second)


@pytest.mark.parametrize("named", [f"/{FOREIGN}/v2.0", "/v2.0", f"/{TENANT}"])
def test_an_answer_named_by_another_tenant(
    microsoft: Upstream, provider: Provider, browser: Browser, named: str
) -> None:
    provider.answer = lambda answer: answer.update(iss=provider.url + named)
    assert stopped(microsoft.log_in(browser)) == "untrusted"


def test_an_address_written_by_a_tenants_administrator_opens_nothing(
    microsoft: Upstream, provider: Provider, browser: Browser
) -> None:
    victim = new_name()
    microsoft.idp.user(victim, "--email-verified")
    provider.person |= {"email": f"{victim}@example.com", "email_verified": True}
    assert is_home(microsoft.log_in(browser), f"{victim}-")
    assert "None yet" in signed_in(microsoft.idp, victim).open(f"{microsoft.idp.url}/account/linked").text
