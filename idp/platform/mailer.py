"""Mail: a job commits with the change that asks for it, and the job runner sends it, again and again until it is taken.

Letters carry links that open accounts: what waits in the database is sealed under the master key. A letter gets its id and its date when it is
written: one that is sent twice, because a server took it and went away before it said so, is the same letter to every mail program.
"""

from __future__ import annotations

import json
import re
import smtplib
import ssl
from collections.abc import Mapping
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formatdate, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
import structlog

from idp.clock import Clock
from idp.errors import Refused
from idp.platform.files import put_file
from idp.platform.ids import new_id
from idp.platform.jobs import Jobs
from idp.platform.mailbox import Mailbox
from idp.platform.secrets import MasterKey

KIND = "mail"
MAILBOX = "mailbox"
_ATTEMPTS = 30
"""With the growing delay of jobs about twenty hours: a mail server may be away for a night."""
_TIMEOUT = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class _SpacesKept(EmailPolicy):
    """Folds a subject with all its spaces: Python's own folding loses the one between two encoded words (RFC 2047 §6.2)."""

    def fold(self, name: str, value: str) -> str:
        if name != "Subject":
            folded: str = super().fold(name, value)
            return folded
        return f"{name}: {Header(str(value), header_name=name).encode(linesep=self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii") if name == "Subject" else super().fold_binary(name, value)


_SEVEN_BIT = _SpacesKept(linesep="\r\n", cte_type="7bit")
log = structlog.get_logger("idp.mail")


class Mailer:
    """`url` is console://, file://DIR, mailbox://DIR, smtp://USER:PASSWORD@HOST:PORT or smtps://...

    smtp upgrades to TLS where the server offers it; mailbox keeps the newest letters for `/dev/mailbox`.
    """

    def __init__(self, url: str, sender: str, clock: Clock, jobs: Jobs, master: MasterKey) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in {"console", "file", MAILBOX, "smtp", "smtps"}:
            raise Refused("mail_url", "IDP_MAIL_URL must be console://, file://, mailbox://, smtp:// or smtps://")
        self._sender = sender
        self._domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
        self._clock = clock
        self._jobs = jobs
        self._master = master
        jobs.register(KIND, self._deliver, attempts=_ATTEMPTS)

    @property
    def reaches_people(self) -> bool:
        """Whether letters go to those whom they are for; the log is for operators."""
        return self._url.scheme != "console"

    @property
    def mailbox(self) -> Mailbox | None:
        """Where letters are kept for people to read here, if they are."""
        return Mailbox(self._folder) if self._url.scheme == MAILBOX else None

    def queue(self, tx: sa.Connection, *, to: str, subject: str, text: str, html: str | None = None) -> None:
        """Send a mail once the caller's transaction commits."""
        if _CONTROL.search(to + subject):  # a line break would let one header become two
            raise Refused("mail", "the address and the subject of a mail have no control characters")
        letter = {"id": new_id(self._clock.precise()), "date": self._clock.now()}
        clear = json.dumps({**letter, "to": to, "subject": subject, "text": text, "html": html}).encode()
        self._jobs.enqueue(tx, KIND, {"sealed": self._master.seal(clear, purpose=KIND).hex()})

    def _deliver(self, job: Mapping[str, Any]) -> None:
        payload = json.loads(self._master.unseal(bytes.fromhex(job["sealed"]), purpose=KIND))
        message = self._message(payload)
        match self._url.scheme:
            case "console":
                log.info("mail", to=payload["to"], subject=payload["subject"], text=payload["text"])
            case "file":
                put_file(self._folder, f"{payload['id']}.eml", message.as_bytes())
            case "mailbox":
                Mailbox(self._folder).keep(payload["id"], message.as_bytes())
            case _:
                self._by_smtp(message)

    @property
    def _folder(self) -> Path:
        return Path(self._url.netloc + self._url.path)

    def _message(self, payload: Mapping[str, Any]) -> EmailMessage:
        message = EmailMessage(policy=_SEVEN_BIT)
        message["From"], message["To"], message["Subject"] = self._sender, payload["to"], payload["subject"]
        message["Date"], message["Message-ID"] = formatdate(payload["date"]), f"<{payload['id']}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's holiday answers it
        message.set_content(payload["text"])
        if payload.get("html"):
            message.add_alternative(payload["html"], subtype="html")
        return message

    def _by_smtp(self, message: EmailMessage) -> None:
        host, context = self._url.hostname or "localhost", ssl.create_default_context()
        if self._url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._url.port or 465, timeout=_TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(host, self._url.port or 25, timeout=_TIMEOUT)
        with server:
            server.ehlo()
            if self._url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
            if self._url.username:
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
            self._hand_over(server, message)

    @staticmethod
    def _hand_over(server: smtplib.SMTP, message: EmailMessage) -> None:
        """An address that the server refuses for good (RFC 5321 §4.2.1) is not tried again; everything else is."""
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            if any(code < 500 for code, _text in error.recipients.values()):
                raise
            log.warning("mail refused", codes=[code for code, _text in error.recipients.values()])
