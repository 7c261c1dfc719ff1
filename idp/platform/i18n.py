"""The language of a page or a letter: who wishes for which, the one that is spoken, and what is said in it.

A message is its own English. The other languages are catalogues, `idp/locale/TAG/LC_MESSAGES/messages.po`, each read once, by the first who
speaks it; English and a start of the server read none. What is spoken belongs to the running request or job and to nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from jinja2 import Environment

SOURCE = "en"
FOLDER = Path(__file__).parents[1] / "locale"
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
_NAMES = {
    "ar": "العربية",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ja": "日本語",
    "pt": "Português",
}
_MOST_TAGS, _LONGEST_TAG = 16, 35
_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True, slots=True)
class Language:
    """A language there is a catalogue of: its tag (RFC 5646) and its name in itself."""

    tag: str
    name: str

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, as HTML writes it."""
        return "rtl" if self.tag in _RIGHT_TO_LEFT else "ltr"


@cache
def languages() -> tuple[Language, ...]:
    """Every language there is a catalogue of, and the source; by tag."""
    found = {SOURCE, *(path.parts[-3] for path in FOLDER.glob("*/LC_MESSAGES/messages.po"))}
    return tuple(Language(tag, _NAMES.get(tag, tag)) for tag in sorted(found))


def tags(text: str) -> tuple[str, ...]:
    """The language tags of a space-separated list, bounded; what is no tag is passed over (OpenID Connect Core §3.1.2.1: never an error)."""
    known = [
        tag for tag in text.split() if len(tag) <= _LONGEST_TAG and tag.isascii() and tag.replace("-", "").isalnum()
    ]
    return tuple(known[:_MOST_TAGS])


@lru_cache(maxsize=1024)
def chosen(wishes: tuple[str, ...]) -> Language:
    """The first wish there is a catalogue for, each shortened from its end until one fits (RFC 4647 §3.4); else the source."""
    known = {language.tag: language for language in languages()}
    for wish in wishes:
        parts = wish.lower().split("-")
        while parts:
            if (found := known.get("-".join(parts))) is not None:
                return found
            parts.pop()
    return known[SOURCE]


@dataclass(frozen=True, slots=True)
class Wishes:
    """Who wishes for which languages, strongest first: what was chosen here, what the app says, the person's own, the browser's."""

    choice: tuple[str, ...] = ()
    app: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    browser: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """All of them, in the order in which they count."""
        return (*self.choice, *self.app, *self.person, *self.browser)


@dataclass(frozen=True, slots=True)
class _Spoken:
    wishes: Wishes
    language: Language


_UNHEARD = _Spoken(Wishes(), Language(SOURCE, _NAMES[SOURCE]))
_spoken: ContextVar[_Spoken] = ContextVar("spoken", default=_UNHEARD)


def language() -> Language:
    """What is spoken now."""
    return _spoken.get().language


def wishes() -> Wishes:
    """What was heard so far."""
    return _spoken.get().wishes


def hear(**heard: tuple[str, ...]) -> None:
    """Take in the wishes of one who was silent so far; what is spoken from here on is the strongest wish that can be met."""
    _speak(replace(wishes(), **heard))


def hear_person(locale: object) -> None:
    """Take in the `locale` claim of the person who is signed in, where they have one."""
    if isinstance(locale, str):
        hear(person=tags(locale.replace("_", "-")))


def begin(heard: Wishes) -> None:
    """A request or a job begins: nothing that was heard before counts."""
    _speak(heard)


@contextmanager
def speaking(wish: object) -> Iterator[None]:
    """Speak to somebody else for a while: in the language they wish for, where there is one, else as before."""
    before = _spoken.get()
    if isinstance(wish, str):
        _speak(replace(before.wishes, choice=tags(wish.replace("_", "-")) + before.wishes.choice))
    try:
        yield
    finally:
        _spoken.set(before)


def _speak(heard: Wishes) -> None:
    _spoken.set(_Spoken(heard, chosen(heard.tags)))


def said(message: str) -> str:
    """The message as it is said now, its `%(name)s` still to be filled in."""
    tag = language().tag
    return message if tag == SOURCE else str(_babel().catalogue(FOLDER, tag).gettext(message))


def said_of_many(one: str, many: str, num: int) -> str:
    """The message for so many, its `%(num)s` still to be filled in."""
    tag = language().tag
    if tag == SOURCE:
        return one if num == 1 else many
    return str(_babel().catalogue(FOLDER, tag).ngettext(one, many, num))


def gettext(message: str, **values: Any) -> str:
    """The message as it is said now, with its `%(name)s` filled in."""
    return said(message) % values if values else said(message)


def ngettext(one: str, many: str, num: int, **values: Any) -> str:
    """The message for so many, `%(num)s` among its values."""
    return said_of_many(one, many, num) % {"num": num, **values}


def install(environment: Environment) -> None:
    """Let templates say `{{ _("...") }}` and `{% trans %}`; a message is markup, its values are escaped."""
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(said, said_of_many, newstyle=True)  # type: ignore[attr-defined]  # from the extension
    environment.filters.update(day=day, moment=moment, minutes=minutes, span=span)


def day(epoch: int) -> str:
    """The day of a moment, in UTC."""
    when, tag = _moment(epoch), language().tag
    return f"{when.day} {when:%B} {when.year}" if tag == SOURCE else str(_babel().day(when, tag))


def moment(epoch: int) -> str:
    """A moment to the minute, in UTC, which it names."""
    when, tag = _moment(epoch), language().tag
    return f"{day(epoch)}, {when:%H:%M} UTC" if tag == SOURCE else str(_babel().moment(when, tag))


def minutes(seconds: int) -> str:
    """So many seconds, told in minutes."""
    return ngettext("a minute", "%(num)s minutes", max(1, round(seconds / 60)))


def span(seconds: int) -> str:
    """So many seconds, told in days or hours where they are two or more of them, else in minutes."""
    if seconds >= 2 * _DAY:
        return ngettext("a day", "%(num)s days", round(seconds / _DAY))
    return ngettext("an hour", "%(num)s hours", round(seconds / _HOUR)) if seconds >= 2 * _HOUR else minutes(seconds)


def _moment(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _babel() -> ModuleType:
    from idp.platform import catalogues  # noqa: PLC0415 - Babel is large; a start and English pages need none of it

    return catalogues
