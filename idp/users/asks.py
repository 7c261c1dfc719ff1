"""How often letters are sent and accounts made: a number in an hour, then a wait, and waits that grow.

Counted alike for an address that is somebody's and one that is nobody's, so that no wait tells which it is; and under the line and the network
that it is asked from. A browser in which the person signed in before has a count of its own: strangers keep nobody from their letters there.
"""

from __future__ import annotations

from dataclasses import dataclass

from idp.platform.throttle import Bound, Throttle, line_of, network_of
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.store import email_key


@dataclass(frozen=True, slots=True)
class Asker:
    """Where something is asked from: the peer's address, and the browser's known-device secret."""

    peer: str
    device: str | None


@dataclass(frozen=True, slots=True)
class Most:
    """So many in an hour: for one address, and from one line."""

    address: int
    line: int


@dataclass(frozen=True, slots=True)
class Asks:
    """Every method counts one and raises `TooManyRequests` while there is a wait; `lines`: a network may ask as often as so many lines."""

    throttle: Throttle
    accounts: Accounts
    devices: Devices
    resets: Most
    logins: Most
    letters: Most
    sign_ups: int
    lines: int

    def reset(self, email: str, asker: Asker) -> None:
        """A link to a new password."""
        self.throttle.take(self._letter("reset", email, asker, self.resets))

    def login(self, email: str, asker: Asker) -> None:
        """A letter to sign in with."""
        self.throttle.take(self._letter("email-login", email, asker, self.logins))

    def letter(self, email: str, sub: str, peer: str) -> None:
        """A letter that asks whether an address is theirs, which the person of this `sub` has sent."""
        own = Bound("email-letters", sub, self.letters.address)
        to = Bound("email-letters-to", email_key(email), self.letters.address)
        self.throttle.take([own, to, *self._place("email-letters", peer, self.letters.line)])

    def sign_up(self, peer: str) -> None:
        """An account of a stranger, in whichever way it is made."""
        self.throttle.take(self._place("signup", peer, self.sign_ups))

    def sign_up_letter(self, email: str) -> None:
        """A letter that asks a stranger to prove their address, apart from those that its owner asks for."""
        self.throttle.take([Bound("signup-letters", email_key(email), self.letters.address)])

    def _letter(self, kind: str, email: str, asker: Asker, most: Most) -> list[Bound]:
        to = email_key(email)
        if self.devices.knows(asker.device, self.accounts.sub_of(email) or to):
            return [Bound(f"{kind}-browser", f"{asker.device}|{to}", most.address)]
        return [Bound(kind, to, most.address), *self._place(kind, asker.peer, most.line)]

    def _place(self, name: str, peer: str, most: int) -> list[Bound]:
        return [
            Bound(f"{name}-line", line_of(peer), most),
            Bound(f"{name}-network", network_of(peer), most * self.lines),
        ]
