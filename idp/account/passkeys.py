"""The passkeys of `/account/security`: add, rename, remove; and the password, which may go once a passkey opens the account."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.account import security
from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import Refused
from idp.marked import N_
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.login.words import sentence
from idp.users.notices import Notice, Notices
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.passkeys import NewPasskey, Passkeys
from idp.users.recovery_codes import RecoveryCodes
from idp.users.totp import Authenticators
from idp.users.ways_in import WaysIn

PLACE = "passkey"
PATH = f"{security.PATH}/passkeys/new"
_SECURITY = security.PLACE


@dataclass(frozen=True, slots=True)
class PasskeyPages:
    """What the pages need. Every change but a new name asks for a fresh login; all leave an audit row."""

    frame: AccountFrame
    database: Database
    accounts: Accounts
    authenticators: Authenticators
    recovery_codes: RecoveryCodes
    devices: Devices
    passkeys: Passkeys
    ceremonies: Ceremonies
    ways_in: WaysIn
    notices: Notices
    audit: Audit

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_passkeys", __name__)
        rooms.add_url_rule(PATH, "new", self.new, methods=["GET", "POST"])
        rooms.add_url_rule(f"{security.PATH}/passkeys/rename", "rename", self.rename, methods=["POST"])
        rooms.add_url_rule(f"{security.PATH}/passkeys/remove", "remove", self.remove, methods=["POST"])
        rooms.add_url_rule(f"{security.PATH}/password/remove", "no_password", self.remove_password, methods=["POST"])
        return rooms

    @signed_in(PLACE, fresh=True)
    def new(self, visit: Visit) -> Response:
        """Ask the browser for a new passkey, or keep the one it made."""
        if request.method == "GET":
            return self._offer(visit)
        try:
            made = self.ceremonies.create(request.form.get("response", ""), visit.cookie)
            codes = self._kept(visit, made, request.form.get("name", ""))
        except Refused as error:
            return self._offer(visit, alert=sentence(error), status=400)
        if codes is None:
            return self._back()
        return self.frame.render("account/recovery_codes.html", visit, _SECURITY, codes=codes)

    @signed_in(_SECURITY)
    def rename(self, visit: Visit) -> Response:
        """Call a passkey something else."""
        passkey, name = self._named(), request.form.get("name", "")
        with self.database.write() as tx:
            if self.passkeys.rename(tx, visit.person.sub, passkey, name):
                self._audited(tx, visit, "passkey.renamed", passkey=passkey)
        return self._back()

    @signed_in(_SECURITY, fresh=True)
    def remove(self, visit: Visit) -> Response:
        """Forget a passkey, unless it is the last way into the account."""
        sub, passkey = visit.person.sub, self._named()
        try:
            with self.database.write() as tx:
                self.ways_in.hold(tx, sub)
                name = self.passkeys.remove(tx, sub, passkey)
                if name is not None:
                    self.ways_in.check(tx, sub)
                    self._tidy(tx, sub)
                    self.notices.tell(tx, visit.person, Notice.PASSKEY_REMOVED, about=name)
                    self._audited(tx, visit, "passkey.removed", passkey=passkey)
        except Refused as error:
            return self._refused(visit, error)
        return self._back()

    @signed_in(_SECURITY, fresh=True)
    def remove_password(self, visit: Visit) -> Response:
        """No password opens the account any more: only who holds a passkey gets in."""
        try:
            self.accounts.remove_password(visit.person.sub, first=lambda tx: self._check_recoverable(tx, visit))
        except Refused as error:
            return self._refused(visit, error)
        return self._back()

    def _kept(self, visit: Visit, made: NewPasskey, name: str) -> list[str] | None:
        """Keep a new passkey; the recovery codes that come with the first second factor, None where there are some."""
        sub = visit.person.sub
        with self.database.write() as tx:
            self.ways_in.hold(tx, sub)
            name = self.passkeys.add(tx, sub, made, name)
            codes = None if self.recovery_codes.left(tx, sub) else self.recovery_codes.renew(tx, sub)
            self.notices.tell(tx, visit.person, Notice.PASSKEY_ADDED, about=name)
            self._audited(tx, visit, "passkey.added", aaguid=made.aaguid)
        return codes

    def _check_recoverable(self, tx: sa.Connection, visit: Visit) -> None:
        """Something else must open the account, and there must be a way back for the day that it is lost."""
        sub = visit.person.sub
        self.ways_in.hold(tx, sub)
        self.ways_in.check_other(tx, sub)
        if not self.recovery_codes.left(tx, sub) or not visit.person.email:
            raise Refused("recovery", N_("without a password you need recovery codes and an e-mail address"))

    def _tidy(self, tx: sa.Connection, sub: str) -> None:
        """Recovery codes and trusted browsers stand in for a second factor; they go with the last one."""
        if not self.passkeys.has(tx, sub) and not self.authenticators.has(tx, sub):
            self.recovery_codes.remove(tx, sub)
            self.devices.forget_trust(tx, sub)

    def _offer(self, visit: Visit, *, alert: str | None = None, status: int = 200) -> Response:
        passkey = self.ceremonies.to_create(visit.cookie, visit.person)
        context = {"passkey": passkey, "alert": alert, "given": request.form.get("name", "")}
        return self.frame.render("account/passkey.html", visit, PLACE, status, scripted=True, **context)

    @staticmethod
    def _named() -> str:
        return request.form.get("passkey", "")[:32]

    def _refused(self, visit: Visit, error: Refused) -> Response:
        return self.frame.render("account/refused.html", visit, _SECURITY, 400, sentence=sentence(error))

    def _audited(self, tx: sa.Connection, visit: Visit, event: str, **facts: str) -> None:
        self.audit.append(tx, event, sub=visit.person.sub, session=visit.session.sid, **facts)

    def _back(self) -> Response:
        return self.frame.pages.redirect(self.frame.pages.url(security.PATH))
