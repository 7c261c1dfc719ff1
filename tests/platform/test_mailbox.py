"""The development mailbox: letters on a page, text and HTML, the newest only, and never where real people are."""

from __future__ import annotations

import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from idp.platform.mailbox import Mailbox
from idp.settings_source import SettingsError, load
from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp

PATIENCE = 30
HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """A provider of somebody who develops: sign-up, login by mail, and a mailbox."""
    folder: Path = tmp_path_factory.mktemp("workshop")
    with RunningIdp(folder, mail_url=f"mailbox://{folder / 'mailbox'}", email_login="true") as running:
        yield running


def asked(workshop: RunningIdp) -> str:
    """An address to which a letter went, and the page that says so leads to the mailbox."""
    name = f"person-{secrets.token_hex(4)}"
    workshop.user(name)
    browser = Browser(workshop.url)
    page = Page(browser.open(f"{workshop.url}/password/forgot"))
    sent = browser.submit(page, "forgot", email=f"{name}@example.com")
    assert f'href="{workshop.url}/dev/mailbox"' in sent.text
    return f"{name}@example.com"


def letter_to(workshop: RunningIdp, address: str) -> str:
    """The URL of the newest letter to an address, once there is one."""

    deadline = time.monotonic() + PATIENCE
    while True:
        listed = requests.get(f"{workshop.url}/dev/mailbox", timeout=30).text
        rows = re.findall(r'href="([^"]+/dev/mailbox/[^"/]+)".*?<bdi>([^<]+)</bdi>', listed, re.DOTALL)
        urls: list[str] = [url for url, to in rows if to == address]
        if urls:
            return urls[0]
        assert time.monotonic() < deadline, f"no letter to {address}"
        time.sleep(0.05)


def test_a_letter_is_on_the_page_and_its_link_works(workshop: RunningIdp) -> None:
    shown = requests.get(letter_to(workshop, asked(workshop)), timeout=30).text
    assert "choose a new password" in shown
    (link,) = re.findall(r'<pre.*?href="([^"]+)"', shown, re.DOTALL)
    assert "reset" in Page(Browser(workshop.url).open(link)).forms


def test_its_html_stands_alone_in_its_frame(workshop: RunningIdp) -> None:
    url = letter_to(workshop, asked(workshop))
    page, html = requests.get(url, timeout=30), requests.get(f"{url}/html", timeout=30)
    assert f'src="{url}/html"' in page.text
    assert 'sandbox="allow-top-navigation-by-user-activation"' in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    alone = html.headers["Content-Security-Policy"]
    assert alone.startswith("sandbox allow-top-navigation-by-user-activation; default-src 'none'")
    assert "allow-scripts" not in alone
    assert "frame-ancestors 'self'" in alone
    assert "Choose a new password</a>" in html.text


@pytest.mark.parametrize("name", ["x", "..", "%2e%2e%2fidp.sqlite3", "a" * 100, "0000.eml", "%00"])
def test_there_is_no_other_letter(workshop: RunningIdp, name: str) -> None:
    for end in ("", "/html"):
        answer = requests.get(f"{workshop.url}/dev/mailbox/{name}{end}", timeout=30)
        assert answer.status_code in {400, 404}


def test_letters_are_their_owners_alone_on_disk(workshop: RunningIdp) -> None:
    letter_to(workshop, asked(workshop))
    kept = list((workshop.folder / "mailbox").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_without_the_setting_there_is_no_page_and_no_link_to_it(idp: RunningIdp) -> None:
    assert requests.get(f"{idp.url}/dev/mailbox", timeout=30).status_code == 404
    assert "mailbox" not in requests.get(f"{idp.url}/", timeout=30).text


def test_the_newest_letters_are_kept(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "box", most=3)
    for number in range(5):
        mailbox.keep(f"letter-{number}", f"To: a@b.example\nSubject: {number}\n\ntext\n".encode())
    mailbox.keep("letter-4", b"To: a@b.example\nSubject: again\n\ntext\n")
    assert [kept.subject for kept in mailbox.all()] == ["again", "3", "2"]
    assert (mailbox.all()[0].text.strip(), mailbox.all()[0].html) == ("text", None)


def test_nobody_can_show_the_letters_of_real_people() -> None:
    assert load({"IDP_MAIL_URL": "mailbox:///tmp/box", "IDP_ISSUER": HERE}).mail_url
    for unsafe in (
        {"IDP_ENV": "production", "IDP_ISSUER": HERE},
        {"IDP_ENV": "production", "IDP_ISSUER": "https://id.example.com"},
        {"IDP_ISSUER": "https://id.example.com"},
    ):
        with pytest.raises(SettingsError, match="IDP_MAIL_URL"):
            load({"IDP_MAIL_URL": "mailbox:///tmp/box", **unsafe})
