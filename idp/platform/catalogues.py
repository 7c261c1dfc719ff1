"""The catalogues of translations, read with Babel: once a process, each by the first who speaks its language."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations


@cache
def catalogue(folder: Path, tag: str) -> Translations:
    """Every message in a language. What it does not have is said in English."""
    with (folder / tag / "LC_MESSAGES" / "messages.po").open("rb") as file:
        read = read_po(file, locale=tag)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return Translations(compiled)


def day(when: datetime, tag: str) -> str:
    """A day as it is written in a language."""
    return format_date(when, format="long", locale=tag)


def moment(when: datetime, tag: str) -> str:
    """A day and a time of it, to the minute."""
    return f"{day(when, tag)}, {format_time(when, format='short', locale=tag)} UTC"
