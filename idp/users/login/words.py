"""Small pieces of the sentences people read."""

from __future__ import annotations

from idp.errors import Refused


def minutes(seconds: int) -> str:
    """So many seconds, told in minutes."""
    whole = max(1, round(seconds / 60))
    return "a minute" if whole == 1 else f"{whole} minutes"


def sentence(error: Refused) -> str:
    """What was refused, as a sentence."""
    text = error.description
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
