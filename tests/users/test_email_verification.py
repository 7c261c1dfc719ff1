"""The proof of an address that an account has: a letter, a click that counts, and nothing that a mail program could do by looking."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp
from tests.users.mail import letters_to, link_in
from tests.users.test_password_change import signed_in


@pytest.fixture(scope="module")
def open_idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider where operators make accounts, and people say themselves whether the address is theirs."""
    folder: Path = tmp_path_factory.mktemp("open")
    with RunningIdp(folder, login_max_failures_per_address="1000") as running:
        yield running


def asked(idp: RunningIdp) -> tuple[str, str]:
    """A new account: its name, and the link that came by mail."""
    idp.user(name := f"person-{secrets.token_hex(4)}")
    browser = signed_in(idp, name, "/account/email")
    browser.submit(Page(browser.open(f"{idp.url}/account/email")), "email-verify")
    return name, link_in(letters_to(idp, f"{name}@example.com")[-1])


def is_verified(idp: RunningIdp, name: str) -> bool:
    verified: bool = idp.cli("user", "show", name)["email_verified"]
    return verified


def confirm(idp: RunningIdp, link: str) -> requests.Response:
    browser = Browser(idp.url)
    page = Page(browser.open(link))
    return browser.submit(page, "verify") if "verify" in page.forms else page.response


def test_a_click_confirms_the_address_and_a_look_does_not(open_idp: RunningIdp) -> None:
    name, link = asked(open_idp)
    assert link.startswith(f"{open_idp.url}/email/verify?token=")
    for _ in range(2):
        assert requests.get(link, timeout=30).status_code == 200
    assert not is_verified(open_idp, name)
    assert "is confirmed" in confirm(open_idp, link).text
    assert is_verified(open_idp, name)
    assert confirm(open_idp, link).status_code == 400


def test_a_link_for_an_address_they_have_no_more_confirms_nothing(open_idp: RunningIdp) -> None:
    name, link = asked(open_idp)
    open_idp.cli("user", "update", name, "--email", f"{name}@elsewhere.example")
    assert confirm(open_idp, link).status_code == 400
    assert not is_verified(open_idp, name)


def test_a_link_for_one_purpose_is_no_link_for_another(open_idp: RunningIdp) -> None:
    _, link = asked(open_idp)
    crossed = requests.get(link.replace("/email/verify", "/password/reset"), timeout=30)
    assert crossed.status_code == 400


def test_the_letter_waits_sealed(open_idp: RunningIdp) -> None:
    """What waits in the database opens no account: neither the link nor its secret is in any row."""
    _, link = asked(open_idp)
    secret = link.partition("token=")[2].encode()
    files = list((open_idp.folder / "var").glob("idp.sqlite3*"))
    assert files
    assert not [file for file in files if secret in file.read_bytes()]
