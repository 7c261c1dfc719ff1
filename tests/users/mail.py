"""Reading the mail that a running identity provider wrote to its folder."""

from __future__ import annotations

import email.policy
import re
import time
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import cast

from tests.support.running import RunningIdp

PATIENCE = 30


def letters_to(idp: RunningIdp, address: str, count: int = 1, about: str = "") -> list[EmailMessage]:
    """The letters to an address with these words in their subject, oldest first, once there are so many."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = [letter.message for letter in _all(idp) if letter.to == address and about in letter.subject]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {count} letters to {address} about {about or 'anything'}"
        time.sleep(0.05)


def letter_about(idp: RunningIdp, address: str, words: str) -> EmailMessage:
    """The newest letter to an address with these words in its subject, once there is one."""
    return letters_to(idp, address, about=words)[-1]


def link_in(letter: EmailMessage) -> str:
    """The link of a letter; its text and its HTML must have the same."""
    links = set()
    for form in ("plain", "html"):
        body = letter.get_body((form,))
        assert body is not None
        links |= set(re.findall(r"https?://[^\s\"<]+", body.get_content()))
    (link,) = links
    return link


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter, and what it is looked for by: to read that in its headers takes long."""

    to: str
    subject: str
    message: EmailMessage


def _all(idp: RunningIdp) -> list[_Letter]:
    return [_read(path, path.stat().st_size) for path in sorted((idp.folder / "mail").glob("*.eml"))]


@cache
def _read(path: Path, _size: int) -> _Letter:
    """Read once, unless more was written to it; many tests look through all the letters of one server."""
    message = cast(EmailMessage, message_from_bytes(path.read_bytes(), policy=email.policy.default))
    return _Letter(message["To"], message["Subject"], message)
