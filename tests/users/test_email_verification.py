"""The proof of an address: a letter at sign-up, a click that counts, and nothing that a mail program could do by looking."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.users.mail import letters_to, link_in


@pytest.fixture(scope="module")
def open_idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider where strangers may make an account."""
    folder: Path = tmp_path_factory.mktemp("open")
    with RunningIdp(folder, signup="on", signup_max="1000") as running:
        yield running


def sign_up(idp: RunningIdp) -> tuple[str, str]:
    """A new account: its name, and the link that came by mail."""
    name = f"person-{secrets.token_hex(4)}"
    browser = Browser(idp.url)
    page = Page(browser.open(f"{idp.url}/signup"))
    browser.submit(page, "signup", username=name, email=f"{name}@example.com", password=PASSWORD)
    return name, link_in(letters_to(idp, f"{name}@example.com")[-1])


def is_verified(idp: RunningIdp, name: str) -> bool:
    verified: bool = idp.cli("user", "show", name)["email_verified"]
    return verified


def confirm(idp: RunningIdp, link: str) -> requests.Response:
    browser = Browser(idp.url)
    page = Page(browser.open(link))
    return browser.submit(page, "verify") if "verify" in page.forms else page.response


def test_a_click_confirms_the_address_and_a_look_does_not(open_idp: RunningIdp) -> None:
    name, link = sign_up(open_idp)
    assert link.startswith(f"{open_idp.url}/email/verify?token=")
    for _ in range(2):
        assert requests.get(link, timeout=30).status_code == 200
    assert not is_verified(open_idp, name)
    assert "is confirmed" in confirm(open_idp, link).text
    assert is_verified(open_idp, name)
    assert confirm(open_idp, link).status_code == 400


def test_a_link_for_an_address_they_have_no_more_confirms_nothing(open_idp: RunningIdp) -> None:
    name, link = sign_up(open_idp)
    open_idp.cli("user", "update", name, "--email", f"{name}@elsewhere.example")
    assert confirm(open_idp, link).status_code == 400
    assert not is_verified(open_idp, name)


def test_a_link_for_one_purpose_is_no_link_for_another(open_idp: RunningIdp) -> None:
    _, link = sign_up(open_idp)
    crossed = requests.get(link.replace("/email/verify", "/password/reset"), timeout=30)
    assert crossed.status_code == 400


def test_the_letter_waits_sealed(open_idp: RunningIdp) -> None:
    """What waits in the database opens no account: neither the link nor its secret is in any row."""
    _, link = sign_up(open_idp)
    secret = link.partition("token=")[2].encode()
    files = list((open_idp.folder / "var").glob("idp.sqlite3*"))
    assert files
    assert not [file for file in files if secret in file.read_bytes()]
