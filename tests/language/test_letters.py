"""The language of a letter: the person's own, else that of the page on which it came about."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.protection.people import Someone
from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp
from tests.users.mail import letters_to


def body(idp: RunningIdp, address: str, form: str) -> tuple[str, str]:
    """Subject and text of the one letter to an address."""
    (letter,) = letters_to(idp, address, 1)
    part = letter.get_body((form,))
    assert part is not None
    return str(letter["Subject"]), str(part.get_content())


def forgot(idp: RunningIdp, person: str, languages: str) -> None:
    browser = Browser(idp.url)
    browser.http.headers["Accept-Language"] = languages
    browser.submit(Page(browser.open(f"{idp.url}/password/forgot")), "forgot", email=f"{person}@example.com")


def test_a_letter_speaks_the_language_of_its_person(idp: RunningIdp, person: str) -> None:
    idp.cli("user", "update", person, "--claim", "locale=ja_JP")
    forgot(idp, person, "de")
    subject, text = body(idp, f"{person}@example.com", "plain")
    assert subject.endswith("：新しいパスワードの設定")
    assert f"{person} 様" in text


def test_a_letter_from_right_to_left_says_so(idp: RunningIdp, person: str) -> None:
    idp.cli("user", "update", person, "--claim", "locale=ar")
    forgot(idp, person, "en")
    _, html = body(idp, f"{person}@example.com", "html")
    assert '<html lang="ar" dir="rtl">' in html


def test_who_has_no_language_of_their_own_is_written_to_in_that_of_the_page(idp: RunningIdp) -> None:
    someone, first, second = Someone.new(idp), Browser(idp.url), Browser(idp.url)
    second.http.headers["Accept-Language"] = "de"
    someone.sign_in(first)
    someone.sign_in(second)
    subject, text = body(idp, someone.address, "plain")
    assert subject.endswith(": neue Anmeldung in Ihrem Konto")
    assert f"Guten Tag {someone.name}," in text
    assert re.search(r"^Wann: .*, \d\d:\d\d UTC\r?$", text, re.MULTILINE)


def test_a_long_subject_keeps_its_spaces_however_it_is_folded(idp: RunningIdp) -> None:
    """It goes out in several encoded words (RFC 2047 §6.2), none of which is longer than the standard allows."""
    someone = Someone.new(idp)
    idp.cli("user", "update", someone.name, "--claim", "locale=ar")
    for _ in range(2):
        someone.sign_in(Browser(idp.url))
    subject, _ = body(idp, someone.address, "plain")
    assert subject.endswith(": تسجيل دخول جديد إلى حسابك")
    (raw,) = [
        text for path in (idp.folder / "mail").glob("*.eml") if someone.address in (text := path.read_text("ascii"))
    ]
    words = re.findall(r"=\?utf-8\?[bq]\?[^?]+\?=", raw)
    assert len(words) > 1
    assert max(map(len, words)) <= 75


def test_a_letter_that_is_written_later_remembers_the_page(idp: RunningIdp, person: str) -> None:
    forgot(idp, person, "pt-BR")
    subject, _ = body(idp, f"{person}@example.com", "plain")
    assert subject.endswith(": escolha uma nova senha")


def test_what_speaks_english_only_never_loads_the_other_languages() -> None:
    """A start of the server must not get slower by them."""
    code = "import sys, idp.app, idp.background; from idp.platform import i18n; i18n.gettext('Sign in'); i18n.day(0); print('babel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == "False"
