"""Login by user name or e-mail address and password, with lock-out.

An attempt is counted before the password is looked at, so parallel guesses cannot outrun the limit, and uncounted when it was right.
Counts are kept per name, per address, and apart from both per device that logged in before: strangers cannot lock the owner out.
Unknown names are counted, hashed and answered like known ones.
"""

from __future__ import annotations

from idp.marked import N_
from idp.platform.limits import Limit, Limits
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.login.chain import Attempt, Proven
from idp.users.store import username_key

_MAX_NAME = 254


class PasswordMethod:
    """SPEC: `amr` is `pwd` (RFC 8176)."""

    name = "password"
    wrong = N_("The name or the password is not right.")

    def __init__(
        self, accounts: Accounts, limits: Limits, devices: Devices, *, window: int, per_account: int, per_address: int
    ) -> None:
        self._accounts = accounts
        self._limits = limits
        self._devices = devices
        self._window = window
        self._per_account = per_account
        self._per_address = per_address

    def prove(self, attempt: Attempt) -> Proven | None:
        name, password = attempt.fields.get("username", ""), attempt.fields.get("password", "")
        if not 0 < len(name) <= _MAX_NAME or not password:
            return None
        account = self._accounts.sub_of(name) or username_key(name)
        known = self._devices.knows(attempt.device, account)
        if known:
            limits = [Limit("login-device", f"{attempt.device}|{account}", self._per_account)]
        else:
            limits = [
                Limit("login-account", account, self._per_account),
                Limit("login-address", attempt.peer, self._per_address),
            ]
        settle = self._limits.take_each(limits, window=self._window)
        person = self._accounts.authenticate(name, password)
        if person is None:
            return None
        settle()
        return Proven(person, ("pwd",))
