"""`/account/profile`: what apps are told of a person who lets them know (OpenID Connect Core §5.1), and the name they sign in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.users.login.words import sentence
from idp.users.people import Person
from idp.users.profile import ADDRESS, TEXTS, changed

PLACE = "profile"
PATH = "/account/profile"
_MEANWHILE = Refused("changed", N_("your account was changed meanwhile: look at it and save again"))


@dataclass(frozen=True, slots=True)
class ProfilePages:
    """What the pages need. The name one signs in with asks for a fresh login."""

    frame: AccountFrame

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_profile", __name__)
        rooms.add_url_rule(PATH, "profile", self.show, methods=["GET"])
        rooms.add_url_rule(PATH, "save", self.save, methods=["POST"])
        rooms.add_url_rule(f"{PATH}/username", "rename", self.rename, methods=["POST"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """What is known."""
        return self._form(visit, _given(visit.person))

    @signed_in(PLACE)
    def save(self, visit: Visit) -> Response:
        """Keep what was typed; what was emptied is forgotten."""
        typed = request.form
        try:
            claims = changed(visit.person.claims, typed, today=self._today())
            if claims != visit.person.claims:
                self._update(visit, claims=claims)
        except Refused as error:
            return self._form(visit, typed, error=error)
        return self.frame.back(PLACE)

    @signed_in(PLACE, fresh=True)
    def rename(self, visit: Visit) -> Response:
        """Another name to sign in with."""
        username = request.form.get("username", "").strip()
        try:
            if username != visit.person.username:
                self._update(visit, username=username)
        except Refused as error:
            return self._form(visit, _given(visit.person), error=error, username=username)
        return self.frame.back(PLACE)

    def _update(self, visit: Visit, **changes: Any) -> None:
        """Change what the person saw, and nothing that changed since."""
        seen = request.form.get("version", "") == str(visit.person.version)

        def as_seen(tx: sa.Connection) -> None:
            if not seen or not self.frame.accounts.hold(tx, visit.person, alone=True):
                raise _MEANWHILE

        self.frame.accounts.update(visit.person.sub, first=as_seen, **changes)

    def _today(self) -> date:
        return datetime.fromtimestamp(self.frame.clock.now(), UTC).date()

    def _form(
        self, visit: Visit, given: Mapping[str, str], *, error: Refused | None = None, username: str | None = None
    ) -> Response:
        return self.frame.render(
            "account/profile.html",
            visit,
            PLACE,
            200 if error is None else 400,
            given=given,
            version=visit.person.version,
            username=visit.person.username if username is None else username,
            languages=i18n.languages(),
            alert=None if error is None else sentence(error),
            wrong=None if error is None else error.code,
        )


def _given(person: Person) -> Mapping[str, str]:
    """The claims as the form shows them."""
    address = person.claims.get("address", {})
    texts = {name: person.claims.get(name, "") for name in TEXTS}
    return MultiDict({**texts, **{f"address_{part}": address.get(part, "") for part in ADDRESS}})
