"""What we write to people: each letter as text and as HTML, from templates, with links built from the issuer only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Flask

from idp.platform.mailer import Mailer
from idp.users.login.words import minutes, span


class Letters:
    """Writes letters and queues them with the transaction that asks for them."""

    def __init__(self, mailer: Mailer, flask: Flask, *, name: str, url: Callable[[str], str]) -> None:
        self._mailer = mailer
        self._flask = flask
        self._name = name
        self._url = url

    def reset(self, tx: sa.Connection, to: str, username: str, secret: str) -> None:
        """How to choose a new password."""
        link = self._url(f"/password/reset?token={secret}")
        self._send(tx, "reset", to, f"{self._name}: choose a new password", username=username, link=link)

    def verify(self, tx: sa.Connection, to: str, username: str, secret: str) -> None:
        """How to show that an address is one's own."""
        link = self._url(f"/email/verify?token={secret}")
        self._send(tx, "verify", to, f"{self._name}: is this your address?", username=username, link=link)

    def sign_in(self, tx: sa.Connection, to: str, username: str, secret: str, code: str, life: int) -> None:
        """A link and a code to sign in with, good for so many seconds."""
        link = self._url(f"/login/email/link?token={secret}")
        facts = {"username": username, "link": link, "code": f"{code[:4]} {code[4:]}", "life": minutes(life)}
        self._send(tx, "sign_in", to, f"{self._name}: your code to sign in", **facts)

    def password_changed(self, tx: sa.Connection, to: str, username: str) -> None:
        """That the password is another one now."""
        link = self._url("/password/forgot")
        self._send(tx, "password_changed", to, f"{self._name}: your password was changed", username=username, link=link)

    def email_confirm(self, tx: sa.Connection, to: str, username: str, secret: str) -> None:
        """How to show that the address one wants to change to is one's own."""
        link = self._url(f"/email/confirm?token={secret}")
        self._send(tx, "email_confirm", to, f"{self._name}: is this your new address?", username=username, link=link)

    def email_approve(self, tx: sa.Connection, to: str, username: str, new: str, secret: str) -> None:
        """How to agree, or not, that the address is changed."""
        link, subject = self._url(f"/email/approve?token={secret}"), f"{self._name}: may your e-mail address change?"
        self._send(tx, "email_approve", to, subject, username=username, new=new, link=link)

    def email_taken(self, tx: sa.Connection, to: str, username: str) -> None:
        """That somebody wanted this address for another account."""
        link, subject = self._url("/password/forgot"), f"{self._name}: you have an account already"
        self._send(tx, "email_taken", to, subject, username=username, link=link)

    def invitation(self, tx: sa.Connection, to: str, secret: str, life: int) -> str:
        """How to make an account within so many seconds; returns the link."""
        link = self._url(f"/signup?invitation={secret}")
        self._send(tx, "invitation", to, f"{self._name}: you are invited", link=link, life=span(life))
        return link

    def notice(self, tx: sa.Connection, to: str, subject: str, **facts: Any) -> None:
        """That something about the safety of the account changed (see `idp.users.notices`)."""
        link = self._url("/account/security")
        self._send(tx, "notice", to, f"{self._name}: {subject}", link=link, **facts)

    def _send(self, tx: sa.Connection, letter: str, to: str, subject: str, **facts: Any) -> None:
        text, html = (
            self._flask.jinja_env.get_template(f"mail/{letter}.{form}").render(
                name=self._name, subject=subject, **facts
            )
            for form in ("txt", "html")
        )
        self._mailer.queue(tx, to=to, subject=subject, text=text, html=html)
