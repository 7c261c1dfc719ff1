"""Nobody takes away the last way into their own account: every order of removing, under every policy, and two at once."""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.passkeys.holder import FORM, SECURITY, Holder, add, codes_of
from tests.support import databases
from tests.support.authenticator import Authenticator
from tests.support.flows import App, Browser, Page
from tests.support.provider import Provider
from tests.support.running import PASSWORD, RunningIdp
from tests.upstream.support import Upstream
from tests.users.test_email_login import asked, code_in, letter_to

WAYS = ("password", "passkey", "link")
MAIL = "mail"
LINKED = "/account/linked"
PLENTY = {
    "signup": "on",
    "signup_max": "1000",
    "login_max_failures_per_address": "100000",
    "email_login_max_per_address": "1000",
}


@dataclass(frozen=True)
class Policy:
    """A deployment: its settings, what counts there as a way in, and what else it lets people sign in with."""

    settings: Mapping[str, str]
    counts: frozenset[str]


POLICIES = {
    "no letters": Policy({}, frozenset(WAYS)),
    "letters beside the others": Policy({"email_login": "true"}, frozenset(WAYS)),
    "letters on purpose": Policy(
        {"email_login": "true", "login_methods": "password,passkey,upstream,email"}, frozenset({*WAYS, MAIL})
    ),
    "no passwords": Policy({"login_methods": "passkey,upstream"}, frozenset({"passkey", "link"})),
    "letters and passwords": Policy(
        {"email_login": "true", "login_methods": "email,password,upstream"}, frozenset({"password", "link", MAIL})
    ),
}


@dataclass
class Member:
    """Somebody signed in with every way in: password, passkey and linked account; and the forms that take each away."""

    upstream: Upstream
    browser: Browser
    holder: Holder
    owned: set[str] = field(default_factory=lambda: set(WAYS))
    forms: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    @classmethod
    def new(cls, upstream: Upstream, *, proven: bool) -> Member:
        """Made by a login with the provider; where it does not say that the address is theirs, an operator wrote it down unproven."""
        idp, name = upstream.idp, f"person-{secrets.token_hex(4)}"
        address: dict[str, Any] = {"email": f"{name}@example.com", "email_verified": proven}
        upstream.provider.person = {"sub": name, "preferred_username": name, **address}
        browser, device = Browser(idp.url), Authenticator(idp.url)
        assert name in upstream.log_in(browser).text
        if not proven:
            idp.cli("user", "update", name, "--email", address["email"])
        page = Page(browser.open(f"{idp.url}/account/password"))
        assert "Your new password is set" in browser.submit(page, "password-change", password=PASSWORD).text
        made = add(browser, idp, device)
        member = cls(upstream, browser, Holder(idp, name, device, codes_of(made)))
        member.forms = member._forms()
        return member

    def _forms(self) -> dict[str, tuple[str, dict[str, str]]]:
        home = self.browser.home
        security, linked = self.browser.open(f"{home}{SECURITY}"), self.browser.open(f"{home}{LINKED}")
        (link,) = re.findall(r'name="link" value="([^"]+)"', linked.text)
        (passkey,) = set(re.findall(r'name="passkey" value="([^"]+)"', security.text))
        protects = {"csrf": Page(security).forms["password-remove"].fields["csrf"]}
        return {
            "password": (f"{SECURITY}/password/remove", protects),
            "passkey": (f"{SECURITY}/passkeys/remove", {**protects, "passkey": passkey}),
            "link": (f"{LINKED}/remove", {"csrf": Page(linked).forms["unlink-1"].fields["csrf"], "link": link}),
        }

    def remove(self, way: str) -> requests.Response:
        """Take one away, or try to."""
        path, fields = self.forms[way]
        cookies = self.browser.http.cookies.get_dict()
        answer = requests.post(
            f"{self.browser.home}{path}", data=fields, cookies=cookies, allow_redirects=False, timeout=30
        )
        if answer.status_code == 303:
            self.owned.discard(way)
        return answer

    def may_remove(self, way: str, policy: Policy, *, proven: bool) -> bool:
        """What should be: something else that counts is left. Without a password there must be recovery codes, which go with the last passkey."""
        left = policy.counts & ((self.owned - {way}) | ({MAIL} if proven else set()))
        return bool(left - {"password"} and "passkey" in self.owned) if way == "password" else bool(left)

    def gets_in(self, way: str) -> bool:
        """Whether this way alone opens the account pages, with the passkey as second step where there is one."""
        idp, browser = self.upstream.idp, Browser(self.browser.home)
        page = Page(browser.open(f"{idp.url}{SECURITY}"))
        if way == "passkey":
            response = self.holder.answer(browser, page.response)
        elif way == "password":
            response = browser.submit(page, "login", username=self.holder.name, password=PASSWORD)
        elif way == "link":
            self.upstream.provider.person = {"sub": self.holder.name}
            response = self.upstream.arrive(browser, self.upstream.leave(browser, page))
        else:
            flow = f"?flow={page.response.url.partition('flow=')[2]}"
            code = asked(idp, browser, f"{self.holder.name}@example.com", flow)
            response = browser.submit(code, "email-code", code=code_in(letter_to(idp, self.holder.name)))
        if way != "passkey" and FORM in Page(response).forms:
            response = self.holder.answer(browser, response)
        return "Signed in as" in response.text


@contextlib.contextmanager
def deployed(request: pytest.FixtureRequest, kind: str, policy: Policy) -> Iterator[Upstream]:
    """A provider of this policy on this database, and another one at which its people log in."""
    with contextlib.ExitStack() as stack:
        url = None
        if kind == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        folder = request.getfixturevalue("tmp_path")
        idp = stack.enter_context(RunningIdp(folder, url, host="localhost", **PLENTY, **policy.settings))
        provider = stack.enter_context(Provider())
        yield Upstream.registered(idp, provider, "other", trusts_email=True)


@pytest.mark.parametrize("kind", databases.KINDS)
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_whatever_is_removed_in_whichever_order_a_way_in_is_left(
    request: pytest.FixtureRequest, kind: str, policy: Policy
) -> None:
    with deployed(request, kind, policy) as upstream:
        for order, proven in itertools.product(itertools.permutations(WAYS), (True, False)):
            member = Member.new(upstream, proven=proven)
            for way in order:
                allowed = member.may_remove(way, policy, proven=proven)
                answer = member.remove(way)
                assert (answer.status_code == 303) is allowed, (order, way, proven, answer.status_code)
                assert allowed or answer.status_code in {400, 409}
            counted = policy.counts & (member.owned | ({MAIL} if proven else set()))
            assert counted, (order, proven)
            for way in counted:
                assert member.gets_in(way), (order, way, proven)


def test_who_is_left_with_letters_is_told_so(request: pytest.FixtureRequest) -> None:
    with deployed(request, "sqlite", POLICIES["letters beside the others"]) as upstream:
        for proven, said in ((True, "only e-mail would open"), (False, "the only way into your account")):
            member = Member.new(upstream, proven=proven)
            assert member.remove("password").status_code == 303
            assert member.remove("link").status_code == 303
            assert said in member.remove("passkey").text
            assert member.gets_in("passkey")


def test_what_an_app_allows_shuts_nobody_out_of_their_account(request: pytest.FixtureRequest) -> None:
    """Whoever has no more of what the app wants signs in to the account with what they have, and adds it there."""
    with deployed(request, "sqlite", POLICIES["no letters"]) as upstream:
        idp, member = upstream.idp, Member.new(upstream, proven=True)
        metadata = {"redirect_uris": ["https://app.test/cb"], "consent": "trusted"}
        app = App(idp.url, idp.client(client_name="App", login_methods=["passkey"], **metadata))
        assert member.remove("passkey").status_code == 303
        browser = Browser(idp.url)
        assert "login" not in Page(browser.open(app.authorize_url()[0])).forms
        page = Page(browser.open(f"{idp.url}{SECURITY}"))
        assert "Signed in as" in browser.submit(page, "login", username=member.holder.name, password=PASSWORD).text
        member.holder.authenticator.passkeys.clear()
        assert add(browser, idp, member.holder.authenticator).status_code == 200
        answer = member.holder.answer(browser, browser.open(app.authorize_url()[0]))
        assert answer.headers["Location"].startswith("https://app.test/cb?code=")


@pytest.mark.parametrize("kind", databases.KINDS)
def test_of_the_last_two_ways_removed_at_once_one_stays(request: pytest.FixtureRequest, kind: str) -> None:
    with deployed(request, kind, POLICIES["letters beside the others"]) as upstream:
        for first, second in (("password", "passkey"), ("passkey", "link"), ("link", "passkey")) * 3:
            member = Member.new(upstream, proven=True)
            (other,) = set(WAYS) - {first, second}
            assert member.remove(other).status_code == 303
            with ThreadPoolExecutor(2) as pool:
                statuses = [answer.status_code for answer in pool.map(member.remove, (first, second))]
            assert statuses.count(303) == 1, statuses
            assert set(statuses) <= {303, 400, 409}
            (left,) = member.owned
            assert member.gets_in(left)
