"""A mailbox in a folder, for development: what would go out by mail is kept here, the newest letters only, for `/dev/mailbox` to show."""

from __future__ import annotations

import email.policy
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

from idp.platform.files import put_file

MAX_LETTERS = 200
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter as a reader sees it; `html` is None where it has text alone."""

    id: str
    to: str
    subject: str
    date: str
    text: str
    html: str | None


class Mailbox:
    """Keeps, lists and finds letters; only the owner of the folder can read them."""

    def __init__(self, folder: Path, most: int = MAX_LETTERS) -> None:
        self._folder = folder
        self._most = most

    def keep(self, name: str, raw: bytes) -> None:
        """Add a letter, whole or not at all; one of the same name takes its place, and the oldest ones go."""
        put_file(self._folder, f"{name}.eml", raw)
        for path in self._paths()[self._most :]:
            path.unlink(missing_ok=True)

    def all(self) -> list[Kept]:
        """Every letter, newest first."""
        return [kept for path in self._paths() if (kept := self.find(path.stem)) is not None]

    def find(self, name: str) -> Kept | None:
        """The letter of this name; None when there is none, or no more."""
        if _NAME.match(name) is None:
            return None
        try:
            raw = (self._folder / f"{name}.eml").read_bytes()
        except FileNotFoundError:
            return None
        return _read(name, raw)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.eml"), reverse=True)  # their names grow with time


def _read(name: str, raw: bytes) -> Kept:
    message = message_from_bytes(raw, policy=email.policy.default)
    text, html = _part(message, "plain"), _part(message, "html")
    return Kept(name, message["To"] or "", message["Subject"] or "", message["Date"] or "", text or "", html)


def _part(message: EmailMessage, form: str) -> str | None:
    part = message.get_body((form,))
    return None if part is None else str(part.get_content())
