"""Marks words for translation where they stand; `idp.platform.i18n` says them later, in the language of whoever reads them."""

from __future__ import annotations


def N_(message: str) -> str:
    """The message itself: the catalogues have it from here (`make messages`), and whoever shows it translates it."""
    return message
