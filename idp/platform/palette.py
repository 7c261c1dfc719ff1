"""The variables of a deployment's own look: a CSS file that holds custom properties and nothing else, read strictly, and judged for contrast.

No word of the file reaches a page, only names we know and values of their kind: no rule, no function, no URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from idp.errors import Refused
from idp.platform.colours import READABLE, Colour, contrast

COLOURS = (
    "ground", "surface", "text", "muted", "line", "line-soft", "accent", "accent-strong", "on-accent", "danger",
    "danger-ground",
)  # fmt: skip
LENGTHS = ("radius", "space")
VARIABLES = (*COLOURS, *LENGTHS)
"""What may be set; `style.css` has the default of each, and docs/people.md says what it is for."""
MAX_FILE = 64 * 1024
_SEEN = 3.0
"""What the edge of a field needs against what is behind it (WCAG 2.2 §1.4.11)."""
_PAIRS = (
    ("text", "ground", READABLE),
    ("text", "surface", READABLE),
    ("text", "line-soft", READABLE),
    ("muted", "ground", READABLE),
    ("muted", "surface", READABLE),
    ("accent", "ground", READABLE),
    ("accent", "surface", READABLE),
    ("on-accent", "accent", READABLE),
    ("on-accent", "accent-strong", READABLE),
    ("danger", "surface", READABLE),
    ("danger", "danger-ground", READABLE),
    ("line", "surface", _SEEN),
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DARK = re.compile(r"\s*@media\s*\(\s*prefers-color-scheme\s*:\s*dark\s*\)\s*\{")
_ROOT = re.compile(r"\s*:root\s*\{")
_SET = re.compile(r"\s*--([A-Za-z0-9_-]+)\s*:\s*([^;{}]*?)\s*(?:;|(?=\}))")
_END = re.compile(r"\s*\}")
_SPACE = re.compile(r"\s*")
_COLOUR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})\Z")
_LENGTH = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,3})?(?:px|rem)\Z")

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Palette:
    """Values by the names of variables: for every page, and those that dark pages have instead; and the line on which each was set last."""

    light: dict[str, str] = field(default_factory=dict)
    dark: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def load(file: Path) -> Palette:
    """What a file sets; raises `Refused` with the line of what may not stand in it."""
    try:
        body = file.read_bytes()
        text = body.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("theme_file", f"IDP_THEME_FILE: {file} cannot be read") from error
    if len(body) > MAX_FILE:
        raise Refused("theme_file", "IDP_THEME_FILE must be at most 64 kB")
    return read(text)


def read(text: str) -> Palette:
    """The same of its text."""
    reader, found = _Reader(text), Palette()
    while not reader.is_over():
        if reader.takes(_DARK):
            while not reader.takes(_END):
                reader.rule(found.dark, found.lines)
        else:
            reader.rule(found.light, found.lines)
    return found


def check(own: Palette, light: Values, dark: Values) -> None:
    """Raise `Refused` where what a deployment set makes something that cannot be read, on light pages or on dark ones."""
    for pages, values in (("light", light), ("dark", dark)):
        for front, behind, least in _PAIRS:
            reached = contrast(Colour.read(values[front]), Colour.read(values[behind]))
            line = max(own.lines.get(front, 0), own.lines.get(behind, 0))
            if line and reached < least:
                raise _fault(
                    line, f"--{front} on --{behind} has a contrast of {reached:.2f} on {pages} pages, not {least}"
                )


class _Reader:
    """Reads on from where it is; what it does not expect there is refused with its line."""

    def __init__(self, text: str) -> None:
        self._text = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        self._at = 0

    def is_over(self) -> bool:
        """Whether nothing is left but space."""
        self.takes(_SPACE)
        return self._at == len(self._text)

    def takes(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Go on behind this, where it stands here."""
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def rule(self, into: dict[str, str], lines: dict[str, int]) -> None:
        """One `:root { ... }`."""
        if not self.takes(_ROOT):
            raise self._unexpected("here only :root and @media (prefers-color-scheme: dark) with :root in it may stand")
        for line, name, value in self._settings():
            into[name], lines[name] = _value(line, name, value), line

    def _settings(self) -> Iterator[tuple[int, str, str]]:
        while not self.takes(_END):
            self.takes(_SPACE)
            line, found = self._line(), self.takes(_SET)
            if found is None:
                raise self._unexpected("here only variables may stand, as --accent: #2456c9;")
            yield line, found[1], found[2]

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _unexpected(self, wanted: str) -> Refused:
        self.takes(_SPACE)
        return _fault(self._line(), wanted)


def _value(line: int, name: str, value: str) -> str:
    if name in COLOURS:
        if not _COLOUR.match(value):
            raise _fault(line, f"--{name} must be a colour, as #2456c9 or #fff")
        digits = value[1:].lower()
        return f"#{digits}" if len(digits) == 6 else "#" + "".join(digit * 2 for digit in digits)
    if name in LENGTHS:
        if not _LENGTH.match(value):
            raise _fault(line, f"--{name} must be a length, as 12px or 1.25rem")
        return value
    raise _fault(line, f"there is no variable --{name}; there are {', '.join(f'--{one}' for one in VARIABLES)}")


def _fault(line: int, why: str) -> Refused:
    return Refused("theme_file", f"IDP_THEME_FILE, line {line}: {why}")
