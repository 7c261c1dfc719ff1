"""Small pieces of the sentences people read."""

from __future__ import annotations

from idp.errors import Refused, TooManyRequests
from idp.platform import i18n


def wait(error: TooManyRequests) -> str:
    """That there were too many attempts, and until when."""
    return i18n.gettext("Too many attempts. Try again in %(time)s.", time=i18n.minutes(error.retry_after))


def sentence(error: Refused) -> str:
    """What was refused, as a sentence."""
    text = i18n.said(error.description)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
