"""What is written to people who close their account, come back, or are deleted as they asked."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from idp.users.letters import Letters
from idp.users.notices import Notice, Notices
from idp.users.people import Change, PersonChanged


@dataclass(frozen=True, slots=True)
class Farewells:
    """Listens to what happens to people; letters go out if and only if it does."""

    letters: Letters
    notices: Notices

    def person_changed(self, tx: sa.Connection, event: PersonChanged) -> None:
        """Write, where there is an address to write to."""
        person = event.person
        if event.change is Change.REOPENED:
            self.notices.tell(tx, person, Notice.ACCOUNT_REOPENED)
        if person.email is None:
            return
        if event.change is Change.CLOSED:
            self.letters.closed(tx, person.email, person)
        if event.change is Change.DELETED and person.deletes_at is not None:
            self.letters.deleted(tx, person.email, person)
