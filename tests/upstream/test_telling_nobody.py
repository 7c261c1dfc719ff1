"""A stranger from a provider that proves no address learns of nobody whether they have an account: not by text, status, requests or mail."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests

from tests.support.flows import Browser, Page
from tests.support.provider import Provider
from tests.upstream.support import Upstream, is_home, new_name, signed_in, stopped, who
from tests.users.mail import letters_to, link_in

_OF_THE_MOMENT = re.compile(r'(?<=value=")[^"]*|nonce="[^"]*"|[\w-]{43,}|<code>[0-9a-f]+</code>|[0-9]+')


@pytest.fixture(params=["unverified", "untrusted"])
def unproved(request: pytest.FixtureRequest, upstream: Upstream) -> dict[str, Any]:
    """What makes an address one that nobody proved."""
    if request.param == "untrusted":
        upstream.change(trusts_email=None)
    return {"email_verified": request.param == "untrusted"}


class Watched(Browser):
    """A browser that keeps every answer it gets."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.seen: list[requests.Response] = []
        self.http.hooks["response"].append(lambda response, **_: self.seen.append(response))


def answers(browser: Watched, *names: str) -> list[tuple[int, str, list[str]]]:
    """All that a browser was answered, without its secrets, numbers and times, and without how somebody is called."""
    called = re.compile(rf"({'|'.join(names)})(-[0-9a-f]{{6}})?(?![\w-])")
    return [
        (one.status_code, _OF_THE_MOMENT.sub("", called.sub("NAME", one.text)), sorted(one.headers))
        for one in browser.seen
    ]


def shape(document: Any) -> Any:
    """The names and kinds of what is in a JSON document."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    return [shape(one) for one in document] if isinstance(document, list) else type(document).__name__


def export(browser: Browser, home: str) -> Any:
    return json.loads(browser.submit(Page(browser.open(f"{home}/account/data")), "export").text)


@pytest.mark.parametrize("named", [True, False])
def test_a_known_and_an_unknown_address_are_answered_byte_for_byte_alike(
    upstream: Upstream, provider: Provider, unproved: dict[str, Any], named: bool
) -> None:
    idp, told = upstream.idp, []
    idp.user(known := new_name(), "--email-verified")
    for name in (new_name(), known):
        called = new_name() if named else name
        provider.person = {"sub": new_name(), "email": f"{name}@example.com", **unproved}
        provider.person |= {"preferred_username": called} if named else {}
        provider.asked.clear()
        browser = Watched(idp.url)
        assert is_home(upstream.log_in(browser), called)
        for path in ("email", "linked", "security", "data"):
            browser.open(f"{idp.url}/account/{path}")
        seen = answers(browser, name, called)
        told.append((seen, shape(export(browser, idp.url)), {path: len(one) for path, one in provider.asked.items()}))
        (letter,) = letters_to(idp, f"{name}@example.com")
        assert ("you have an account already" in letter["Subject"]) is (name == known)
        assert ("is this your new address" in letter["Subject"]) is (name != known)
        assert link_in(letter).startswith(idp.url)
    assert told[0] == told[1]
    assert "None yet" in signed_in(idp, known).open(f"{idp.url}/account/linked").text


def test_where_strangers_get_no_account_both_stay_outside_alike(
    upstream: Upstream, provider: Provider, unproved: dict[str, Any]
) -> None:
    idp, told = upstream.idp, []
    upstream.change(sign_up="no")
    idp.user(known := new_name(), "--email-verified")
    for name in (new_name(), known):
        provider.person = {"sub": new_name(), "email": f"{name}@example.com", **unproved}
        browser = Watched(idp.url)
        assert stopped(upstream.log_in(browser)) == "stranger"
        told.append(answers(browser, name))
    assert told[0] == told[1]
    assert not letters_to(idp, f"{known}@example.com", 0)


@pytest.mark.parametrize("known", [True, False])
def test_letters_to_one_address_are_counted_and_keep_nobody_from_coming_in(
    upstream: Upstream, provider: Provider, known: bool
) -> None:
    idp, address = upstream.idp, f"{new_name()}@example.com"
    if known:
        idp.user(new_name(), "--email", address, "--email-verified")
    for _ in range(7):
        name = new_name()
        provider.person = {"sub": name, "preferred_username": name, "email": address, "email_verified": False}
        browser = Browser(idp.url)
        assert is_home(upstream.log_in(browser), name)
        assert who(idp, name)["email"] is None
    last = new_name()
    idp.user(last, "--email-verified")
    letters_to(idp, address, 5)
    signal = f"{last}-signal@example.com"
    provider.person = {"sub": last, "preferred_username": f"{last}-2", "email": signal, "email_verified": False}
    upstream.log_in(Browser(idp.url))
    letters_to(idp, signal)  # letters go out in their order: nothing more is on its way
    assert len(letters_to(idp, address)) == 5


def test_the_letter_goes_to_the_mailbox_of_the_account(upstream: Upstream, provider: Provider) -> None:
    """Two spellings that count as one address may be two mailboxes; only the one that is known here is told."""
    idp, name = upstream.idp, new_name()
    idp.user(name, "--email", f"{name}-stra\u00dfe@example.com", "--email-verified")
    other = f"{name}-strasse@example.com"
    provider.person |= {"preferred_username": new_name(), "email": other, "email_verified": False}
    upstream.log_in(Browser(idp.url))
    assert letters_to(idp, f"{name}-stra\u00dfe@example.com")
    assert not letters_to(idp, other, 0)
