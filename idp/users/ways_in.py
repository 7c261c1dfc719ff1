"""The ways a person can sign in. Taking one away is allowed while another is left.

Letters are such a way where the deployment says so: where its setting of ways to sign in names them. Where they are merely switched on they are
a help beside the others, and nobody is left with them alone.

What a client allows of the ways narrows nothing here: the account pages take them all, and there a person adds what a client wants.

Who takes one away holds the person first, then takes it away, then looks what is left, all in one transaction: two who take the last two
ways at once follow one another, and the second is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from idp.errors import Refused
from idp.marked import N_
from idp.users import store

Way = Callable[[sa.Connection, str], bool]
"""(transaction, sub) -> whether the person can sign in in this way, alone."""


@dataclass(frozen=True, slots=True)
class WaysIn:
    """`others` are the ways besides the password that count here; `password`: whether that one does; `letters`: these help, uncounted."""

    others: Sequence[Way]
    password: bool = True
    letters: Way | None = None

    @staticmethod
    def hold(tx: sa.Connection, sub: str) -> None:
        """Nobody else takes away a way of this person's before this transaction ends."""
        store.has_password(tx, sub, hold=True)

    def check(self, tx: sa.Connection, sub: str) -> None:
        """Raise `Refused` when no way is left."""
        if not (self.password and store.has_password(tx, sub)) and not self.has_other(tx, sub):
            raise self._last(tx, sub)

    def check_other(self, tx: sa.Connection, sub: str) -> None:
        """Raise `Refused` when no way but the password is left."""
        if not self.has_other(tx, sub):
            raise self._last(tx, sub)

    def has_other(self, tx: sa.Connection, sub: str) -> bool:
        """Whether the person can sign in without a password."""
        return any(way(tx, sub) for way in self.others)

    def _last(self, tx: sa.Connection, sub: str) -> Refused:
        if self.letters is not None and self.letters(tx, sub):
            return Refused("last", N_("without this only e-mail would open your account: add another way in first"))
        return Refused("last", N_("this is the only way into your account: add another one first"))
