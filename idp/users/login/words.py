"""Small pieces of the sentences people read."""

from __future__ import annotations

from idp.errors import Refused, TooManyRequests


def minutes(seconds: int) -> str:
    """So many seconds, told in minutes."""
    whole = max(1, round(seconds / 60))
    return "a minute" if whole == 1 else f"{whole} minutes"


def span(seconds: int) -> str:
    """So many seconds, told in days or hours where they are that many, else in minutes."""
    for name, unit in (("day", 86400), ("hour", 3600)):
        if seconds >= 2 * unit:
            return f"{round(seconds / unit)} {name}s"
    return minutes(seconds)


def wait(error: TooManyRequests) -> str:
    """That there were too many attempts, and until when."""
    return f"Too many attempts. Try again in {minutes(error.retry_after)}."


def sentence(error: Refused) -> str:
    """What was refused, as a sentence."""
    text = error.description
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
