"""Login by user name or e-mail address and password, with waits that grow.

An attempt is counted before the password is looked at, so parallel guesses cannot outrun the limit, and uncounted when it was right.
Unknown names are counted, hashed and answered like known ones.
"""

from __future__ import annotations

from idp.marked import N_
from idp.users.accounts import Accounts
from idp.users.login.chain import Attempt, Proven
from idp.users.login.guesses import Guesses
from idp.users.store import username_key

_MAX_NAME = 254


class PasswordMethod:
    """SPEC: `amr` is `pwd` (RFC 8176)."""

    name = "password"
    wrong = N_("The name or the password is not right.")

    def __init__(self, accounts: Accounts, guesses: Guesses) -> None:
        self._accounts = accounts
        self._guesses = guesses

    def prove(self, attempt: Attempt) -> Proven | None:
        name, password = attempt.fields.get("username", ""), attempt.fields.get("password", "")
        if not 0 < len(name) <= _MAX_NAME or not password:
            return None
        found = self._accounts.credentials(name)
        with self._guesses.password(found.person.sub if found else username_key(name), attempt) as answer:
            person = self._accounts.authenticate(found, password)
            if person is None:
                return None
            forget = answer.right_with()
        return Proven(person, ("pwd",), forget)
