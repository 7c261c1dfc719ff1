"""Small pieces of the sentences people read."""

from __future__ import annotations

from idp.errors import Refused
from idp.platform import i18n


def sentence(error: Refused) -> str:
    """What was refused, as a sentence."""
    text = i18n.said(error.description)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
