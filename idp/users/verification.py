"""Whether an address is the person's own: a link goes there, and a click on the page behind it says yes."""

from __future__ import annotations

import sqlalchemy as sa

from idp.platform.db import Database
from idp.users import store
from idp.users.accounts import Accounts
from idp.users.letters import Letters
from idp.users.links import MailLinks, Purpose
from idp.users.people import Person
from idp.users.recovery import GONE


class EmailVerification:
    """Sends links and believes who follows one."""

    def __init__(self, database: Database, accounts: Accounts, links: MailLinks, letters: Letters) -> None:
        self._database = database
        self._accounts = accounts
        self._links = links
        self._letters = letters

    def send(self, tx: sa.Connection, person: Person) -> None:
        """Write to the person's address, unless it is proven already."""
        if person.email is not None and not person.email_verified:
            secret = self._links.make(tx, Purpose.VERIFY, person.sub, person.email)
            self._letters.verify(tx, person.email, person, secret)

    def again(self, sub: str) -> None:
        """Send another link, which voids the earlier one."""
        with self._database.write() as tx:
            person = store.find(tx, sub)
            if person is not None:
                self.send(tx, person)

    def person(self, secret: str) -> Person | None:
        """Whose address this link would prove; None when it is not good, or they have another address now."""
        with self._database.read() as tx:
            link = self._links.find(tx, Purpose.VERIFY, secret)
            person = store.find(tx, link.sub) if link else None
        return person if link and person and person.email == link.email and not person.disabled else None

    def verify(self, secret: str) -> Person:
        """Believe the link and use it up, both or neither; raises `Refused`."""

        def followed(tx: sa.Connection) -> None:
            link = self._links.use(tx, Purpose.VERIFY, secret)
            now = store.find(tx, link.sub) if link else None
            if link is None or now is None or now.email != link.email:
                raise GONE

        person = self.person(secret)
        if person is None:
            raise GONE
        return self._accounts.update(person.sub, first=followed, email_verified=True)
