"""Authenticator apps (RFC 6238): six digits every thirty seconds, each code good once.

The secret is sealed under the master key. The time step of the last code used is stored, and only a later one is accepted, so a code that was
read over a shoulder is worth nothing once it was typed.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from typing import Any

import pyotp
import segno
import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused
from idp.marked import N_
from idp.platform.db import Database, insert_or_ignore
from idp.platform.secrets import MasterKey
from idp.users.models import TotpRow

STEP_SECONDS = 30
OFFER_LIFE = 900
_DRIFT = (0, -1, 1)
_SEAL, _OFFER = "totp", "totp-offer"
_FIND = sa.select(TotpRow.sealed).where(TotpRow.sub == sa.bindparam("sub"))
_USE = (
    sa.update(TotpRow)
    .where(TotpRow.sub == sa.bindparam("person"), TotpRow.last_step < sa.bindparam("step"))
    .values(last_step=sa.bindparam("step"))
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A new secret that is not in use yet: what the app scans, what is typed where it cannot, and the sealed form that comes back with the code."""

    uri: str
    secret: str
    sealed: str


class Authenticators:
    """The authenticator apps of people, one a person."""

    def __init__(self, database: Database, master: MasterKey, clock: Clock, *, issuer_name: str) -> None:
        self._database = database
        self._master = master
        self._clock = clock
        self._issuer_name = issuer_name

    def has(self, tx: sa.Connection, sub: str) -> bool:
        """Whether this person has an authenticator app in use."""
        return tx.execute(_FIND, {"sub": sub}).scalar() is not None

    def offer(self, sub: str, account: str) -> Offer:
        """A new secret for this person; nothing is stored until a code of it comes back."""
        secret = pyotp.random_base32()
        offered = {"sub": sub, "account": account, "secret": secret, "until": self._clock.now() + OFFER_LIFE}
        return self._shown(secret, account, self._master.seal(json.dumps(offered).encode(), purpose=_OFFER).hex())

    def again(self, sub: str, sealed: str) -> Offer:
        """The same offer, for another try; raises `Refused` when it is not theirs or too old."""
        offered = self._offered(sub, sealed)
        return self._shown(offered["secret"], offered["account"], sealed)

    def accept(self, tx: sa.Connection, sub: str, sealed: str, code: str) -> bool:
        """Put an offered secret in use when the code is right; False when it is not. Raises `Refused` when the offer is not theirs or too old."""
        secret: str = self._offered(sub, sealed)["secret"]
        step = self._matching(secret, code)
        if step is None:
            return False
        values = {
            "sub": sub,
            "sealed": self._master.seal(secret.encode(), purpose=_SEAL),
            "created_at": self._clock.now(),
            "last_step": step,
        }
        if not insert_or_ignore(tx, TotpRow, values):
            raise Refused("exists", N_("there is an authenticator app already: remove it first"))
        return True

    def use(self, tx: sa.Connection, sub: str, code: str) -> bool:
        """Use a code up; of any number at once exactly one is told so."""
        sealed = tx.execute(_FIND, {"sub": sub}).scalar()
        if sealed is None:
            return False
        secret = self._master.unseal(sealed, purpose=_SEAL).decode()
        step = self._matching(secret, code)
        return step is not None and tx.execute(_USE, {"person": sub, "step": step}).rowcount == 1

    @staticmethod
    def remove(tx: sa.Connection, sub: str) -> bool:
        """Stop using the app; False when there is none."""
        return tx.execute(sa.delete(TotpRow).where(TotpRow.sub == sub)).rowcount == 1

    def _shown(self, secret: str, account: str, sealed: str) -> Offer:
        uri = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=self._issuer_name)
        return Offer(uri, secret, sealed)

    def _offered(self, sub: str, sealed: str) -> dict[str, Any]:
        try:
            offer: dict[str, Any] = json.loads(self._master.unseal(bytes.fromhex(sealed), purpose=_OFFER))
        except (Refused, ValueError) as error:
            raise Refused("expired", N_("this page has expired: start again")) from error
        if offer["sub"] != sub or offer["until"] < self._clock.now():
            raise Refused("expired", N_("this page has expired: start again"))
        return offer

    def _matching(self, secret: str, code: str) -> int | None:
        """The time step this code is for: the present one, or one beside it for clocks that are off."""
        digits = "".join(code.split())
        if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
            return None
        totp, now = pyotp.TOTP(secret), self._clock.now() // STEP_SECONDS
        return next((now + off for off in _DRIFT if hmac.compare_digest(totp.generate_otp(now + off), digits)), None)


def drawing(offer: Offer) -> str:
    """What the app scans, as SVG: black on white whatever the page's colours are."""
    return segno.make(offer.uri, error="m").svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass="qr")
