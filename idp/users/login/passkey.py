"""Login with a passkey: alone, without a name, or as the second step after the password.

A signature cannot be guessed, so failures lock no account; they are counted per passkey and place, and per place, against floods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from idp.errors import Refused
from idp.marked import N_
from idp.users.login.chain import Attempt, Proven
from idp.users.login.guesses import Guesses
from idp.users.login.second_factor import PATHS, SecondFactor, SecondProof, Visit
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.passkey_responses import PasskeyResponse, read, to_base64url


class PasskeyMethod:
    """SPEC: `amr` is `pop`, `user` and `mfa` (RFC 8176): the person was verified, so one passkey is two factors."""

    name = "passkey"
    wrong = N_(
        "This passkey did not work here, or the page was open for too long. Try again, or sign in in another way."
    )

    def __init__(self, ceremonies: Ceremonies, guesses: Guesses) -> None:
        self._ceremonies = ceremonies
        self._guesses = guesses

    def offer(self, browser: str) -> Mapping[str, Any]:
        """What the browser is asked for."""
        return self._ceremonies.to_sign_in(browser)

    def prove(self, attempt: Attempt) -> Proven | None:
        response = _response(attempt.fields)
        if response is None:
            return None
        with self._guesses.passkey(to_base64url(response.credential), attempt) as answer:
            use = self._ceremonies.sign_in(response, attempt.browser)
            if use is None:
                return None
            answer.right()
        return Proven(use.person, use.amr, lambda tx: self._ceremonies.passkeys.used(tx, use.passkey, use.seen))


@dataclass(frozen=True, slots=True)
class PasskeyStep:
    """A passkey beside the password. Its challenge is bound to the browser and to this very login."""

    second: SecondFactor
    ceremonies: Ceremonies

    def blueprint(self) -> Blueprint:
        """`/login/passkey/step`."""
        rooms = Blueprint("passkey_step", __name__)
        rooms.add_url_rule(PATHS["passkey"], "step", self.step, methods=["GET", "POST"])
        return rooms

    def step(self) -> Response:
        """Ask for a passkey of the person, or look at its answer."""
        return self.second.answer("passkey", self._prove, facts=self._facts)

    def _facts(self, visit: Visit) -> Mapping[str, Any]:
        return {"passkey": self.ceremonies.to_confirm(_owner(visit), visit.person.sub)}

    def _prove(self, visit: Visit) -> SecondProof | None:
        response = _response(request.form)
        use = self.ceremonies.confirm(response, _owner(visit), visit.person.sub) if response else None
        if use is None:
            return None
        return SecondProof(use.amr, lambda tx: self.ceremonies.passkeys.used(tx, use.passkey, use.seen))


def _owner(visit: Visit) -> str:
    return f"{visit.browser} {visit.step.id}"


def _response(fields: Mapping[str, str]) -> PasskeyResponse | None:
    try:
        return read(fields.get("response", ""), "get")
    except Refused:
        return None
