"""The way back for who forgot their password: a link to the address of the account, good once and for fifteen minutes.

Asking does the same for every address, known or not: one job, which looks later. So neither the page, its status nor its time tells who has
an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.platform.db import Database
from idp.platform.jobs import Jobs
from idp.users import store
from idp.users.accounts import Accounts
from idp.users.letters import Letters
from idp.users.links import MailLinks, Purpose
from idp.users.people import Person

KIND = "password-forgotten"
GONE = Refused("expired", N_("this link has expired or was used already: ask for a new one"))


class PasswordRecovery:
    """Sends links and lets whoever follows one choose a password."""

    def __init__(self, database: Database, jobs: Jobs, accounts: Accounts, links: MailLinks, letters: Letters) -> None:
        self._database = database
        self._jobs = jobs
        self._accounts = accounts
        self._links = links
        self._letters = letters
        jobs.register(KIND, self._send)

    def ask(self, email: str) -> None:
        """Somebody says that this is their address and that they forgot their password."""
        with self._database.write() as tx:
            self._jobs.enqueue(tx, KIND, {"email": email, "language": i18n.language().tag})

    def person(self, secret: str) -> Person | None:
        """Whose password this link would set; None when it is not good, or went to an address they have no more."""
        with self._database.read() as tx:
            link = self._links.find(tx, Purpose.RESET, secret)
            return self._owner(tx, link.sub, link.email) if link else None

    def reset(self, secret: str, password: str) -> Person:
        """Set the password and use up the link, both or neither; raises `Refused`. Sessions and tokens end at once."""

        def followed(tx: sa.Connection) -> None:
            link = self._links.use(tx, Purpose.RESET, secret)
            if link is None or self._owner(tx, link.sub, link.email) is None:
                raise GONE

        person = self.person(secret)
        if person is None:
            raise GONE
        return self._accounts.set_password(person.sub, password, first=followed)

    def _send(self, payload: Mapping[str, Any]) -> None:
        with i18n.speaking(payload.get("language")), self._database.write() as tx:
            person = store.by_email(tx, payload["email"])
            if person is not None and person.email is not None and not person.is_shut_out:
                secret = self._links.make(tx, Purpose.RESET, person.sub, person.email)
                self._letters.reset(tx, person.email, person, secret)

    @staticmethod
    def _owner(tx: sa.Connection, sub: str, email: str) -> Person | None:
        person = store.find(tx, sub)
        return person if person and person.email == email and not person.is_shut_out else None
