"""The two ceremonies of WebAuthn: what a browser is asked for, and what its answer proves.

Options are plain JSON (Level 3 §5.1.8, §5.1.9). Everybody's passkeys are found without a name (discoverable) and verify the person, so one
alone is two factors: something they have, and what unlocks it.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog

from idp.errors import Refused
from idp.marked import N_
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.secrets import MasterKey
from idp.users.accounts import Accounts
from idp.users.notices import Notice, Notices
from idp.users.passkey_challenges import LIFE, Challenges
from idp.users.passkey_responses import PasskeyResponse, read, to_base64url
from idp.users.passkeys import NewPasskey, Passkey, Passkeys, Seen, went_back
from idp.users.people import Person

LOGIN, STEP, NEW = "login", "step", "new"
"""What a challenge is for: signing in, a second step, a new passkey."""
AMR = ("pop", "user")
"""A key was proven and somebody was there (RFC 8176 §2). Whether hardware keeps the key nobody has shown us: neither `hwk` nor `swk` is said."""
_ALGORITHMS = (-7, -8, -257)
"""ES256, EdDSA, RS256 (RFC 9053), the best first."""
log = structlog.get_logger("idp.passkeys")


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who we are to a passkey: the host of the issuer, and the origin its pages come from (WebAuthn Level 3 §4)."""

    id: str
    origin: str
    name: str


@dataclass(frozen=True, slots=True)
class Use:
    """A passkey that was just used, whose it is, and what its authenticator said."""

    passkey: Passkey
    person: Person
    seen: Seen

    @property
    def amr(self) -> tuple[str, ...]:
        """RFC 8176: `mfa` where the person was verified, and the passkey so is two factors."""
        return (*AMR, "mfa") if self.seen.verified else AMR


def relying_party(issuer: str, name: str) -> RelyingParty | None:
    """None where browsers know no passkeys: an address is no name that they can be bound to (WebAuthn Level 3 §5.1.3)."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return RelyingParty(host, f"{parts.scheme}://{parts.netloc}", name)
    return None


@dataclass(frozen=True, slots=True)
class Ceremonies:
    """What they need. `owner` is always the secret of the browser, session or step that asked."""

    rp: RelyingParty
    master: MasterKey
    database: Database
    audit: Audit
    accounts: Accounts
    notices: Notices
    passkeys: Passkeys
    challenges: Challenges

    def to_sign_in(self, owner: str) -> dict[str, Any]:
        """Any passkey of anybody's, with the person verified."""
        return self._to_use(self.challenges.make(LOGIN, owner), (), "required")

    def to_confirm(self, owner: str, sub: str) -> dict[str, Any]:
        """One of this person's, beside the password: being there is enough."""
        with self.database.read() as tx:
            allowed = self.passkeys.of(tx, sub)
        return self._to_use(self.challenges.make(STEP, owner), allowed, "preferred")

    def to_create(self, owner: str, person: Person) -> dict[str, Any]:
        """A new one on a device that has none of this person's."""
        with self.database.read() as tx:
            there = self.passkeys.of(tx, person.sub)
        display = str(person.claims.get("name") or person.username)
        return {
            "rp": {"id": self.rp.id, "name": self.rp.name},
            "user": {"id": to_base64url(self._handle(person.sub)), "name": person.username, "displayName": display},
            "challenge": self.challenges.make(NEW, owner),
            "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in _ALGORITHMS],
            "timeout": LIFE * 1000,
            "excludeCredentials": [_descriptor(one) for one in there],
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "required",
            },
            "attestation": "none",
        }

    def sign_in(self, response: PasskeyResponse, owner: str) -> Use | None:
        """Who signs in with this answer; None for every failure alike."""
        return self._use(response, LOGIN, owner)

    def confirm(self, response: PasskeyResponse, owner: str, sub: str) -> Use | None:
        """The second step of this person; None for every failure alike."""
        use = self._use(response, STEP, owner)
        return use if use is not None and use.person.sub == sub else None

    def create(self, text: str, owner: str) -> NewPasskey:
        """The passkey that was made; raises `Refused`."""
        response = read(text, "create")
        if not self.challenges.take(response.challenge, NEW, owner):
            raise Refused("expired", N_("this page has expired: start again"))
        from idp.users.passkey_proofs import registered  # noqa: PLC0415 - large: loaded with the first passkey

        return registered(response, rp_id=self.rp.id, origin=self.rp.origin)

    def _use(self, response: PasskeyResponse, purpose: str, owner: str) -> Use | None:
        if not self.challenges.take(response.challenge, purpose, owner):
            return None
        with self.database.read() as tx:
            passkey = self.passkeys.find(tx, response.credential)
            person = self.accounts.find_tx(tx, passkey.sub) if passkey else None
        if passkey is None or person is None or person.is_shut_out or not self._is_for(response, person, purpose):
            return None
        seen = self._seen(response, passkey, verified=purpose == LOGIN)
        if seen is not None and went_back(passkey, seen):
            self._suspect(passkey, person, seen)
            return None
        return None if seen is None else Use(passkey, person, seen)

    def _seen(self, response: PasskeyResponse, passkey: Passkey, *, verified: bool) -> Seen | None:
        from idp.users.passkey_proofs import used  # noqa: PLC0415 - large: loaded with the first passkey

        try:
            return used(response, passkey, rp_id=self.rp.id, origin=self.rp.origin, verified=verified)
        except Refused as error:
            log.info("refused", detail=error.detail)
            return None

    def _is_for(self, response: PasskeyResponse, person: Person, purpose: str) -> bool:
        """A passkey that was found without a name says whose it is (Level 3 §7.2, step 6)."""
        if response.handle is None:
            return purpose != LOGIN
        return hmac.compare_digest(response.handle, self._handle(person.sub))

    def _suspect(self, passkey: Passkey, person: Person, seen: Seen) -> None:
        """Two authenticators seem to have the same key: the person should know (Level 3 §6.1.1)."""
        log.warning("counter went back", sub=passkey.sub, passkey=passkey.id)
        with self.database.write() as tx:
            self.notices.tell(tx, person, Notice.PASSKEY_COPIED, about=passkey.name)
            self.audit.append(
                tx,
                "passkey.counter_went_back",
                outcome="refused",
                sub=passkey.sub,
                passkey=passkey.id,
                last=passkey.sign_count,
                told=seen.sign_count,
            )

    def _handle(self, sub: str) -> bytes:
        """What a passkey keeps of the person: it tells nothing to whoever reads it (Level 3 §14.6.1)."""
        return bytes.fromhex(self.master.tag(sub, purpose="passkey-user"))

    def _to_use(self, challenge: str, allowed: Sequence[Passkey], verification: str) -> dict[str, Any]:
        return {
            "challenge": challenge,
            "timeout": LIFE * 1000,
            "rpId": self.rp.id,
            "allowCredentials": [_descriptor(one) for one in allowed],
            "userVerification": verification,
        }


def _descriptor(passkey: Passkey) -> dict[str, Any]:
    return {
        "type": "public-key",
        "id": to_base64url(passkey.credential),
        "transports": list(passkey.transports),
    }
