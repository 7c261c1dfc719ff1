"""Challenges: random, for one ceremony in one browser, good once and for ten minutes. Nothing is stored before one comes back.

A challenge carries its end and a keyed tag over all that it is for, so it proves itself; which of them came back is kept until their end.
"""

from __future__ import annotations

import hmac
import secrets

from idp.clock import Clock
from idp.platform.ids import digest
from idp.platform.replay import Replays
from idp.platform.secrets import MasterKey
from idp.users.passkey_responses import from_base64url, to_base64url

LIFE = 600
_RANDOM, _TIME, _TAG = 16, 8, 32


class Challenges:
    """Makes and takes. `purpose` says for which ceremony; `owner` is the secret of the browser or session that may answer."""

    def __init__(self, master: MasterKey, clock: Clock, replays: Replays) -> None:
        self._master = master
        self._clock = clock
        self._replays = replays

    def make(self, purpose: str, owner: str) -> str:
        """A new challenge in base64url."""
        head = secrets.token_bytes(_RANDOM) + (self._clock.now() + LIFE).to_bytes(_TIME, "big")
        return to_base64url(head + self._tag(head, purpose, owner))

    def take(self, challenge: str, purpose: str, owner: str) -> bool:
        """Use a challenge up, whatever comes of it; of any number at once exactly one is told so."""
        try:
            raw = from_base64url(challenge)
        except ValueError:
            return False
        head, tag = raw[: _RANDOM + _TIME], raw[_RANDOM + _TIME :]
        now, until = self._clock.now(), int.from_bytes(head[_RANDOM:], "big")
        if len(raw) != _RANDOM + _TIME + _TAG or not hmac.compare_digest(tag, self._tag(head, purpose, owner)):
            return False
        return now <= until and self._replays.burn(digest(f"passkey {raw.hex()}"), now=now, until=until + 1)

    def _tag(self, head: bytes, purpose: str, owner: str) -> bytes:
        return bytes.fromhex(self._master.tag(f"{purpose}|{head.hex()}|{owner}", purpose="passkey-challenge"))
