"""What details say in words: the template of their type, filled in, and everything they hold listed beside it.

A template is plain text with `{member.member}` where a value goes; `{member:money}` says an object of `value` in minor units and `currency`
as people write it. What comes out are pieces of text, each marked as the type's own or as the client's; the page escapes both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idp.marked import N_
from idp.oauth.details.entries import Entry, without_identity
from idp.platform import i18n

MAX_TEMPLATE = 1000
_PLACE = re.compile(r"\{([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)(?::(money))?\}")
_NOT_SAID = N_("(not said)")
_MINOR_DIGITS: Mapping[str, int] = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
"""ISO 4217: the currencies whose minor unit is not a hundredth."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a sentence: words of the type, or a value that the client sent."""

    text: str
    by_client: bool


@dataclass(frozen=True, slots=True)
class AskedDetails:
    """One entry as the consent page shows it: a sentence, where its type has words, and every member."""

    title: str
    sentence: tuple[Piece, ...]
    members: tuple[tuple[str, str], ...]


def said(entry: Entry, title: str, template: str | None) -> AskedDetails:
    """One entry in words."""
    return AskedDetails(title, sentence(template, entry) if template else (), listing(entry))


def fault(template: str) -> str | None:
    """What is wrong with a template, or None."""
    if not 0 < len(template) <= MAX_TEMPLATE or not template.isprintable():
        return f"the words have 1 to {MAX_TEMPLATE} printable characters"
    rest = _PLACE.sub("", template)
    return "a place in the words is {member.member} or {member:money}" if "{" in rest or "}" in rest else None


def sentence(template: str, entry: Entry) -> tuple[Piece, ...]:
    """The template with the values of one entry in their places."""
    pieces, end = [], 0
    for place in _PLACE.finditer(template):
        pieces.append(Piece(template[end : place.start()], by_client=False))
        pieces.append(Piece(_said(entry, place[1].split("."), as_money=place[2] is not None), by_client=True))
        end = place.end()
    pieces.append(Piece(template[end:], by_client=False))
    return tuple(piece for piece in pieces if piece.text)


def listing(entry: Entry) -> tuple[tuple[str, str], ...]:
    """Every member the client sent but the type, by its path, as text: nothing is kept from the person."""
    return tuple((name, text) for name, text in _flat(without_identity(entry)) if name != "type")


def _said(entry: Entry, path: Sequence[str], *, as_money: bool) -> str:
    value: Any = entry
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if as_money:
        return _money(value)
    return i18n.said(_NOT_SAID) if value is None else ", ".join(text for _, text in _flat(value))


def _money(value: Any) -> str:
    """`12.34 EUR`; what is no money in minor units is said as it is."""
    number, currency = (value.get("value"), value.get("currency")) if isinstance(value, dict) else (None, None)
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(currency, str):
        return i18n.said(_NOT_SAID) if value is None else ", ".join(text for _, text in _flat(value))
    digits = _MINOR_DIGITS.get(currency, 2)
    whole, part = divmod(abs(number), 10**digits)
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}.{part:0{digits}d} {currency}" if digits else f"{sign}{whole} {currency}"


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list) and value and not any(isinstance(one, (dict, list)) for one in value):
        yield at, ", ".join(map(_text, value))
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, f"{at} {number}".strip())
    else:
        yield at, _text(value)


def _text(value: Any) -> str:
    """A plain value as people read it."""
    match value:
        case str():
            return value if value.strip() else i18n.gettext("nothing")
        case bool():
            return i18n.gettext("yes") if value else i18n.gettext("no")
        case None | [] | {}:
            return i18n.gettext("nothing")
        case _:
            return str(value)
