"""Nonces for DPoP proofs (RFC 9449 §8, §9) that no node has to remember: a keyed tag of the time, the same on every node."""

from __future__ import annotations

import hmac

from idp.clock import Clock
from idp.platform.secrets import MasterKey

PERIOD = 150
"""Seconds. The nonce of this period and of the one before are good, so each lives 150 to 300 s."""
_PURPOSE = "dpop-nonce"


class Nonces:
    """Gives out nonces and knows its own again."""

    def __init__(self, master: MasterKey, clock: Clock) -> None:
        self._master = master
        self._clock = clock

    def current(self) -> str:
        """What the next proof may carry."""
        return self._of(self._clock.now() // PERIOD)

    def is_good(self, nonce: str) -> bool:
        """Whether we gave it out within the last two periods."""
        period = self._clock.now() // PERIOD
        return any(hmac.compare_digest(self._of(one).encode(), nonce.encode()) for one in (period, period - 1))

    def _of(self, period: int) -> str:
        return self._master.tag(str(period), purpose=_PURPOSE)[:32]
