"""A mail server that keeps what it takes."""

from __future__ import annotations

import email.policy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.support.ports import free_port

PATIENCE = 30


class Inbox:
    """What an SMTP server took. The first `busy` messages are put off; of the next `cut` it keeps each and goes away unheard.

    `unknown` is an address that it refuses for good.
    """

    def __init__(self) -> None:
        self.busy = 0
        self.cut = 0
        self.unknown = ""
        self.taken: list[tuple[list[str], bytes]] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address == self.unknown:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:
        if self.busy:
            self.busy -= 1
            return "451 later"
        self.taken.append((envelope.rcpt_tos, envelope.content))
        if self.cut:
            self.cut -= 1
            server.transport.close()
        return "250 taken"

    def letters(self, address: str) -> list[EmailMessage]:
        """What is there for an address, oldest first."""
        found = [raw for recipients, raw in list(self.taken) if address in recipients]
        return [parsed(raw) for raw in found]

    def letter(self, address: str, words: str) -> EmailMessage:
        """The newest letter to an address with these words in its subject, once there is one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [letter for letter in self.letters(address) if words in letter["Subject"]]
            if found:
                return found[-1]
            assert time.monotonic() < deadline, f"no letter to {address} about {words}"
            time.sleep(0.05)


@contextmanager
def listening(inbox: Inbox, port: int | None = None) -> Iterator[str]:
    """Takes mail for the inbox; the address it listens at."""
    controller = Controller(inbox, hostname="127.0.0.1", port=port or free_port())
    controller.start()
    try:
        yield f"127.0.0.1:{controller.port}"
    finally:
        controller.stop()


def parsed(raw: bytes) -> EmailMessage:
    """A message as a mail program reads it."""
    message = message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message
