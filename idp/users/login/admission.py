"""Who may make an account: everybody, or who holds an invitation; and whose address is proved before there is one.

An invited person has shown by the link that the address is theirs. A stranger shows it by a letter, and until then learns nothing of who has an
account. Where no letters go out nothing can be proved: then nobody is asked for an address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Response, request

from idp.errors import PageError, Refused
from idp.platform.pages import Pages
from idp.users.accounts import TAKEN, Accounts, Also, First
from idp.users.asks import Asks
from idp.users.invitations import Invitation, Invitations
from idp.users.login.context import FindContext, LoginContext
from idp.users.login.words import sentence
from idp.users.people import Person
from idp.users.signups import GONE, SignUp, SignUps

VERIFY = "/email/verify"
_FIELDS = {
    "username": "username",
    "taken": "username",
    "email": "email",
    "email_taken": "email",
    "claim": "name",
    "password": "password",
}
"""Which field of a page what is refused is about."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who may make an account; `secret` is that of the invitation or of the letter they came with.

    `asks`: a stranger, who is asked for an address that a letter will prove.
    """

    invitation: Invitation | None = None
    signup: SignUp | None = None
    secret: str = ""
    asks: bool = False

    @property
    def email(self) -> str | None:
        """The address that they have proved already."""
        proved = self.invitation or self.signup
        return proved.email if proved else None

    @property
    def username(self) -> str:
        """What they wanted to be called when they began."""
        return self.signup.username if self.signup else ""

    def facts(self) -> Mapping[str, Any]:
        """The name and the address of the new account, and what else is known."""
        named = {"username": request.form.get("username", self.username).strip(), "claims": self._claims()}
        if self.email is None:
            return {**named, "email": request.form.get("email", "").strip() if self.asks else None}
        roles = self.invitation.roles if self.invitation else ()
        return {**named, "email": self.email, "email_verified": True, "roles": roles}

    def _claims(self) -> Mapping[str, Any]:
        name = request.form.get("name", "").strip()
        if name:
            return {"name": name}
        return self.signup.claims if self.signup else {}


@dataclass(frozen=True, slots=True)
class Admission:
    """`open`: whether strangers may make an account without an invitation; `signups` is None where they may not, or where no letters go out."""

    pages: Pages
    asks: Asks
    accounts: Accounts
    invitations: Invitations
    signups: SignUps | None
    find_context: FindContext
    open: bool

    def admitted(self) -> Admitted | None:
        """Who asks for a sign-up page; None for who may not make an account. Raises `Refused` for a letter that is worth nothing any more."""
        secret, token = request.values.get("invitation", ""), request.values.get("token", "")
        if secret:
            invitation = self.invitations.find(secret)
            return None if invitation is None else Admitted(invitation=invitation, secret=secret)
        if token and self.signups is not None:
            signup = self.signups.by_link(token)
            if signup is None:
                raise GONE
            return Admitted(signup=signup, secret=token)
        return self.stranger() if self.open else None

    def answer(
        self,
        context: LoginContext | None,
        form: Callable[..., Response],
        then: Callable[[LoginContext | None, Admitted], Response],
    ) -> Response:
        """What a page of sign-up shows: what `then` answers to who may make an account; whatever is refused is said on the page's own `form`."""
        admitted = self.stranger()
        try:
            found = self.admitted()
            if found is None:
                return self.refusal(context)
            admitted = found
            return then(context, admitted)
        except Refused as error:
            return form(context, admitted, alert=sentence(error), wrong=_FIELDS.get(error.code), status=400)

    def stranger(self) -> Admitted:
        """Somebody who came with nothing."""
        return Admitted(asks=self.signups is not None)

    def refusal(self, context: LoginContext | None) -> Response:
        """That an invitation is needed, or that this one is used up."""
        held = bool(request.values.get("invitation"))
        return self.pages.render(
            "signup_refused.html", 403, leads_away=True, context=context, held=held, open=self.open
        )

    def context(self, browser: str | None) -> LoginContext | None:
        """Who waits for this sign-up."""
        flow = request.values.get("flow")
        context = self.find_context(flow, browser) if flow and browser else None
        if flow is not None and context is None:
            raise PageError("expired", "This login has expired. Go back to the app and start again.")
        return context

    def count(self) -> None:
        """Count an attempt of this visitor; raises `TooManyRequests`."""
        self.asks.sign_up(request.environ.get("idp.peer", ""))

    def draft(self, admitted: Admitted, sub: str | None = None) -> Person:
        """Who they would be; raises `Refused` for what can never be, and looks at nobody else."""
        return self.accounts.draft(sub=sub, **admitted.facts())

    def ask(self, context: LoginContext | None, browser: str, person: Person, hashed: str | None) -> Response | None:
        """Write to a stranger's address, and wait; None where there is nothing to wait for. The same whether somebody has it or not."""
        if self.signups is None or person.email is None or person.email_verified:
            return None
        self.count_letter(person.email)
        asked = self.signups.ask(browser, context.flow if context else None, person, hashed)
        return self.lead(VERIFY, context, signup=asked)

    def count_letter(self, email: str) -> None:
        """Count a letter to an address, apart from those that its owner asks for; raises `TooManyRequests`."""
        self.asks.sign_up_letter(email)

    def make(
        self, admitted: Admitted, person: Person, *, hashed: str | None = None, also: Also | None = None
    ) -> Person:
        """The account, and what admitted it is used up with it, or neither; raises `Refused`, and says what is taken."""
        if admitted.asks:
            raise GONE

        def first(tx: sa.Connection) -> None:
            if admitted.invitation is not None:
                self.invitations.use(tx, admitted.invitation, person)
            if admitted.signup is not None and self.signups is not None:
                self.signups.use(tx, admitted.signup)

        def last(tx: sa.Connection, made: Person) -> None:
            if also is not None:
                also(tx, made)
            if admitted.signup is not None and self.signups is not None:
                self.signups.note(tx, admitted.signup, made.sub)

        made = self._added(person, hashed, first, last)
        if admitted.signup is not None and self.signups is not None:
            self.signups.finished()
        return made

    def _added(self, person: Person, hashed: str | None, first: First, also: Also) -> Person:
        try:
            return self.accounts.add(person, hashed=hashed, first=first, also=also)
        except Refused as error:
            if error is TAKEN:
                self.accounts.check_free(person)
            raise

    def lead(self, path: str, context: LoginContext | None, **query: str) -> Response:
        """On to a page of ours, which goes on for whoever asked."""
        query |= {"flow": context.flow} if context else {}
        return self.pages.redirect(
            f"{self.pages.url(path)}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
        )

    def joined(self, context: LoginContext | None) -> Response:
        """To the login, where the new person signs in like everybody else."""
        return self.lead("/login", context, joined="1")
