"""The catalogues: every word in every language, with the same places and the same markup."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from idp.platform import i18n
from tests.support.running import BIN

ROOT = Path(__file__).parents[2]
KEYWORDS = ("-k", "PageError:2", "-k", "Stopped:2")
"""As `make messages` has them: what these say to people needs no other mark."""
OTHERS = [language.tag for language in i18n.languages() if language.tag != i18n.SOURCE]
TEMPLATES = ROOT / "idp" / "templates"
_SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)
_CODE = [
    re.compile(text, re.DOTALL)
    for text in (
        r"{#.*?#}",
        r"{% set \w+ %}.*?{% endset %}",
        r"{% trans .*?{% endtrans %}|{% trans %}.*?{% endtrans %}",
        r"{{.*?}}",
        r"{%.*?%}",
    )
]
_ELEMENT = re.compile(r"<[^>]*>")
_SAID_ALOUD = re.compile(
    r'(?:aria-label|title|alt|placeholder|data-(?:words|own|waiting|cancelled|known|failed))="([^"]*)"'
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_PLACE = re.compile(r"%\(\w+\)s|%%")
_TAG = re.compile(r"</?\w+>")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Every message in the code, as `make messages` finds them."""
    assert " ".join(KEYWORDS) in (ROOT / "Makefile").read_text("utf-8")
    template = tmp_path_factory.mktemp("words") / "messages.pot"
    command = [BIN / "pybabel", "-q", "extract", "-F", "pyproject.toml", *KEYWORDS, "-o", template, "."]
    subprocess.run(command, cwd=ROOT, check=True, timeout=100)
    with template.open("rb") as file:
        return read_po(file)


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.*")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_word_of_a_template_is_marked(template: Path) -> None:
    text = _SCRIPT.sub("", template.read_text("utf-8"))
    for piece in _CODE:
        text = piece.sub("", text)
    said_aloud = _SAID_ALOUD.findall(text)
    assert not [words for words in said_aloud if _WORD.search(words)], template
    assert not _WORD.findall(_ELEMENT.sub("", text)), template


def catalogue(tag: str) -> Catalog:
    with (i18n.FOLDER / tag / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=tag)


def said(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def ids(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else list(message.id)


def test_there_are_six_languages_besides_english() -> None:
    assert set(OTHERS) == {"ar", "de", "es", "fr", "ja", "pt"}


@pytest.mark.parametrize("tag", OTHERS)
def test_every_message_is_translated(tag: str, words: Catalog) -> None:
    found = catalogue(tag)
    missing = [message.id for message in words if message.id and message.id not in found]
    assert not missing, f"make messages, then translate: {missing}"
    bare = [message.id for message in found if message.id and (message.fuzzy or not all(said(message)))]
    assert not bare
    assert not [message.id for message in found if message.id and message.id not in words], "make messages drops these"


@pytest.mark.parametrize("tag", OTHERS)
def test_a_translation_has_the_places_and_the_markup_of_its_message(tag: str) -> None:
    for message in catalogue(tag):
        wanted = ids(message)[-1]
        for text in said(message) if message.id else []:
            if isinstance(message.id, str):
                assert sorted(_PLACE.findall(text)) == sorted(_PLACE.findall(wanted)), text
            else:
                assert set(_PLACE.findall(text)) <= set(_PLACE.findall(wanted)), text
            assert sorted(_TAG.findall(text)) == sorted(_TAG.findall(wanted)), text


@pytest.mark.parametrize("tag", OTHERS)
def test_nothing_in_a_translation_could_leave_its_place_in_a_page(tag: str) -> None:
    """Messages are markup: but for their few tags they hold nothing that means something to HTML, in attributes neither."""
    for message in catalogue(tag):
        for text in [*ids(message), *said(message)] if message.id else []:
            rest = _TAG.sub("", text)
            assert not set('<>&"') & set(rest), text


@pytest.mark.parametrize("tag", OTHERS)
def test_every_number_has_its_form(tag: str) -> None:
    found = catalogue(tag)
    plurals = [message for message in found if message.pluralizable]
    assert plurals
    assert {len(message.string) for message in plurals} == {found.num_plurals}
