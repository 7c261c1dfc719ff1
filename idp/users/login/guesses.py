"""What wrong answers of a login are counted under: the account, or the name where it is nobody's; the line the visitor comes from; its network.

A browser in which the person logged in before has a count of its own, apart from all of them: strangers lock nobody out there.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from idp.platform.throttle import Answer, Bound, Throttle, line_of, network_of
from idp.users.devices import Devices
from idp.users.login.chain import Attempt


@dataclass(frozen=True, slots=True)
class Guesses:
    """At most so many in a window, before waits begin that grow: passwords and second codes an account, anything a line or a network."""

    throttle: Throttle
    devices: Devices
    per_account: int
    per_code: int
    per_line: int
    per_network: int

    def password(self, account: str, attempt: Attempt) -> AbstractContextManager[Answer]:
        """A password for an account, or for a name that is nobody's."""
        return self._of_person("login", account, attempt, self.per_account)

    def code(self, sub: str, attempt: Attempt) -> AbstractContextManager[Answer]:
        """A code or a passkey as second step of this person's login."""
        return self._of_person("second-factor", sub, attempt, self.per_code)

    def passkey(self, credential: str, attempt: Attempt) -> AbstractContextManager[Answer]:
        """A passkey alone."""
        own = Bound("login-passkey", f"{attempt.peer}|{credential}", self.per_account, own=True)
        return self.throttle.answer([own, *self._of_visitor(attempt)])

    def letter(self, attempt: Attempt) -> AbstractContextManager[Answer]:
        """A code out of a letter, which has a few tries of its own."""
        return self.throttle.answer(self._of_visitor(attempt))

    def _of_person(self, name: str, account: str, attempt: Attempt, most: int) -> AbstractContextManager[Answer]:
        if self.devices.knows(attempt.device, account):
            return self.throttle.answer([Bound(f"{name}-device", f"{attempt.device}|{account}", most, own=True)])
        return self.throttle.answer([Bound(f"{name}-account", account, most, own=True), *self._of_place(attempt.peer)])

    def _of_visitor(self, attempt: Attempt) -> list[Bound]:
        """Of whom nothing is known but where they come from, or that somebody logged in in this browser before."""
        if attempt.device and self.devices.is_known(attempt.device):
            return [Bound("login-browser", attempt.device, self.per_line)]
        return self._of_place(attempt.peer)

    def _of_place(self, peer: str) -> list[Bound]:
        line = Bound("login-line", line_of(peer), self.per_line)
        return [line, Bound("login-network", network_of(peer), self.per_network)]
