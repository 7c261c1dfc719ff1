"""Mail: a job commits with the change that asks for it, and the job runner sends it, again and again until it is taken.

Letters carry links that open accounts: what waits in the database is sealed under the master key.
"""

from __future__ import annotations

import json
import re
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
import structlog

from idp.clock import Clock
from idp.errors import Refused
from idp.platform.ids import new_id
from idp.platform.jobs import Jobs
from idp.platform.secrets import MasterKey

KIND = "mail"
_TIMEOUT = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SEVEN_BIT = SMTP.clone(cte_type="7bit")
log = structlog.get_logger("idp.mail")


class Mailer:
    """`url` is console://, file://DIR, smtp://USER:PASSWORD@HOST:PORT or smtps://...; smtp upgrades to TLS where the server offers it."""

    def __init__(self, url: str, sender: str, clock: Clock, jobs: Jobs, master: MasterKey) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in {"console", "file", "smtp", "smtps"}:
            raise Refused("mail_url", "IDP_MAIL_URL must be console://, file://, smtp:// or smtps://")
        self._sender = sender
        self._domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
        self._clock = clock
        self._jobs = jobs
        self._master = master
        jobs.register(KIND, self._deliver)

    def queue(self, tx: sa.Connection, *, to: str, subject: str, text: str, html: str | None = None) -> None:
        """Send a mail once the caller's transaction commits."""
        if _CONTROL.search(to + subject):  # a line break would let one header become two
            raise Refused("mail", "the address and the subject of a mail have no control characters")
        clear = json.dumps({"to": to, "subject": subject, "text": text, "html": html}).encode()
        self._jobs.enqueue(tx, KIND, {"sealed": self._master.seal(clear, purpose=KIND).hex()})

    def _deliver(self, job: Mapping[str, Any]) -> None:
        payload = json.loads(self._master.unseal(bytes.fromhex(job["sealed"]), purpose=KIND))
        message = self._message(payload)
        match self._url.scheme:
            case "console":
                log.info("mail", to=payload["to"], subject=payload["subject"], text=payload["text"])
            case "file":
                folder = Path(self._url.netloc + self._url.path)
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{new_id(self._clock.precise())}.eml").write_bytes(message.as_bytes())
            case _:
                self._by_smtp(message)

    def _message(self, payload: Mapping[str, Any]) -> EmailMessage:
        message = EmailMessage(policy=_SEVEN_BIT)
        message["From"], message["To"], message["Subject"] = self._sender, payload["to"], payload["subject"]
        message["Date"], message["Message-ID"] = formatdate(self._clock.now()), make_msgid(domain=self._domain)
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
            server.send_message(message)
