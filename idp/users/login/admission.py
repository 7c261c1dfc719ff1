"""Who may make an account: everybody, or who holds an invitation. An invited person has shown by the link that the address is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Response, request

from idp.platform.pages import Pages
from idp.users.invitations import Invitation, Invitations
from idp.users.login.context import LoginContext
from idp.users.people import Person
from idp.users.verification import EmailVerification


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who may make an account; `secret` is that of their invitation, where they came with one."""

    invitation: Invitation | None
    secret: str

    def facts(self) -> Mapping[str, Any]:
        """The address of the new account, and what an invitation says of it."""
        if self.invitation is None:
            return {"email": request.form.get("email", "").strip()}
        return {"email": self.invitation.email, "email_verified": True, "roles": self.invitation.roles}


@dataclass(frozen=True, slots=True)
class Admission:
    """`open`: whether strangers may make an account without an invitation."""

    pages: Pages
    invitations: Invitations
    verification: EmailVerification
    open: bool

    def admitted(self) -> Admitted | None:
        """Who asks for a sign-up page; None for who may not make an account."""
        secret = request.values.get("invitation", "")
        if not secret:
            return Admitted(None, "") if self.open else None
        found = self.invitations.find(secret)
        return None if found is None else Admitted(found, secret)

    def refusal(self, context: LoginContext | None) -> Response:
        """That an invitation is needed, or that this one is used up."""
        held = bool(request.values.get("invitation"))
        return self.pages.render(
            "signup_refused.html", 403, leads_away=True, context=context, held=held, open=self.open
        )

    def arrive(self, admitted: Admitted, tx: sa.Connection, person: Person) -> None:
        """With the new account: its invitation is used up, or its address is asked whether it is theirs. Raises `Refused`."""
        if admitted.invitation is not None:
            self.invitations.use(tx, admitted.invitation, person)
        self.verification.send(tx, person)
