"""Passwords that guessers try first, ten thousand of them; offline, so that nobody is asked about a password.

The words lie beside this file in casefolded form, with the licence of the list most of them come from. They are read at the first question.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("common_passwords.txt")
_TAIL = re.compile(r"^[\W\d_]+|[\W\d_]+$")


@cache
def common_words() -> frozenset[str]:
    """All of them."""
    return frozenset(_LIST.read_text("utf-8").splitlines())


def is_common(password: str) -> bool:
    """Whether this is one of them, in any case: bare, again and again, or with digits and signs around it."""
    folded = password.casefold()
    bare = _TAIL.sub("", folded)
    forms = {folded, bare, *(_TAIL.sub("", _once(text)) for text in (folded, bare)), _once(folded)}
    return not forms.isdisjoint(common_words())


def _once(text: str) -> str:
    """What a text says again and again, the last time perhaps not to its end; the text itself when it does not."""
    lengths = range(1, len(text) * 2 // 3)
    return next((text[:length] for length in lengths if text[length:] == text[:-length]), text)
