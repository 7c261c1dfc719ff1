"""What we write to people: each letter as text and as HTML, from templates, with links built from the issuer only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Flask

from idp.marked import N_
from idp.platform import i18n
from idp.platform.mailer import Mailer
from idp.users.people import Person


class Letters:
    """Writes letters and queues them with the transaction that asks for them."""

    def __init__(self, mailer: Mailer, flask: Flask, *, name: str, url: Callable[[str], str]) -> None:
        self._mailer = mailer
        self._flask = flask
        self._name = name
        self._url = url

    def reset(self, tx: sa.Connection, to: str, person: Person, secret: str) -> None:
        """How to choose a new password."""
        link = self._url(f"/password/reset?token={secret}")
        self._send(tx, "reset", to, person, N_("%(name)s: choose a new password"), link=link)

    def verify(self, tx: sa.Connection, to: str, person: Person, secret: str) -> None:
        """How to show that an address is one's own."""
        link = self._url(f"/email/verify?token={secret}")
        self._send(tx, "verify", to, person, N_("%(name)s: is this your address?"), link=link)

    def sign_in(self, tx: sa.Connection, to: str, person: Person, secret: str, code: str, life: int) -> None:
        """A link and a code to sign in with, good for so many seconds."""
        link = self._url(f"/login/email/link?token={secret}")
        facts = {"link": link, "code": f"{code[:4]} {code[4:]}", "life": life}
        self._send(tx, "sign_in", to, person, N_("%(name)s: your code to sign in"), **facts)

    def sign_up(self, tx: sa.Connection, to: str, username: str, secret: str, code: str) -> None:
        """A link and a code to show that an address is one's own, and to make an account with it."""
        link = self._url(f"/email/verify?token={secret}")
        facts = {"link": link, "code": f"{code[:4]} {code[4:]}", "username": username}
        self._send(tx, "sign_up", to, None, N_("%(name)s: your code to make an account"), **facts)

    def password_changed(self, tx: sa.Connection, to: str, person: Person) -> None:
        """That the password is another one now."""
        link = self._url("/password/forgot")
        self._send(tx, "password_changed", to, person, N_("%(name)s: your password was changed"), link=link)

    def email_confirm(self, tx: sa.Connection, to: str, person: Person, secret: str) -> None:
        """How to show that the address one wants to change to is one's own."""
        link = self._url(f"/email/confirm?token={secret}")
        self._send(tx, "email_confirm", to, person, N_("%(name)s: is this your new address?"), link=link)

    def email_approve(self, tx: sa.Connection, to: str, person: Person, new: str, secret: str) -> None:
        """How to agree, or not, that the address is changed."""
        link = self._url(f"/email/approve?token={secret}")
        self._send(tx, "email_approve", to, person, N_("%(name)s: may your e-mail address change?"), new=new, link=link)

    def email_taken(self, tx: sa.Connection, to: str, person: Person) -> None:
        """That somebody wanted this address for another account."""
        link = self._url("/password/forgot")
        self._send(tx, "email_taken", to, person, N_("%(name)s: you have an account already"), link=link)

    def email_elsewhere(self, tx: sa.Connection, to: str, person: Person, provider: str) -> None:
        """That somebody came with an account at a provider, which said that this address is theirs; and how to link the two."""
        facts = {"link": self._url("/account/linked"), "provider": provider}
        self._send(tx, "email_elsewhere", to, person, N_("%(name)s: you have an account already"), **facts)

    def invitation(self, tx: sa.Connection, to: str, secret: str, life: int) -> str:
        """How to make an account within so many seconds; returns the link."""
        link = self._url(f"/signup?invitation={secret}")
        self._send(tx, "invitation", to, None, N_("%(name)s: you are invited"), link=link, life=life)
        return link

    def closed(self, tx: sa.Connection, to: str, person: Person) -> None:
        """That the account is closed, until when it can be had back, and how."""
        facts = {"deletes_at": person.deletes_at, "link": self._url("/login")}
        self._send(tx, "closed", to, person, N_("%(name)s: your account is closed"), **facts)

    def deleted(self, tx: sa.Connection, to: str, person: Person) -> None:
        """That the account is no more."""
        self._send(tx, "deleted", to, person, N_("%(name)s: your account was deleted"))

    def notice(self, tx: sa.Connection, to: str, person: Person, subject: str, **facts: Any) -> None:
        """That something about the safety of the account changed (see `idp.users.notices`)."""
        link = self._url("/account/security")
        self._send(tx, "notice", to, person, subject, link=link, **facts)

    def _send(self, tx: sa.Connection, letter: str, to: str, person: Person | None, subject: str, **facts: Any) -> None:
        """Queue a letter in the person's own language; without one in that of the page on which it came about."""
        with i18n.speaking(person.claims.get("locale") if person else None):
            said = i18n.gettext(subject, name=self._name)
            facts |= {"name": self._name, "subject": said, "language": i18n.language()}
            facts |= {"username": person.username} if person else {}
            text, html = (
                self._flask.jinja_env.get_template(f"mail/{letter}.{form}").render(facts) for form in ("txt", "html")
            )
        self._mailer.queue(tx, to=to, subject=said, text=text, html=html)
