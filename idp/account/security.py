"""`/account/security`: what protects the account; the authenticator app, the recovery codes, and the browsers that are trusted."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, request

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import Refused
from idp.marked import N_
from idp.platform import i18n
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.login.words import sentence
from idp.users.notices import Notice, Notices
from idp.users.passkeys import Passkeys
from idp.users.recovery_codes import RecoveryCodes
from idp.users.totp import Authenticators, Offer, drawing

PLACE = "security"
PATH = "/account/security"
_WRONG = N_("This code is not right. Look at the app and try the newest one.")


@dataclass(frozen=True, slots=True)
class SecurityPages:
    """What the pages need. Every change asks for a fresh login and leaves an audit row."""

    frame: AccountFrame
    database: Database
    accounts: Accounts
    authenticators: Authenticators
    recovery_codes: RecoveryCodes
    passkeys: Passkeys
    devices: Devices
    notices: Notices
    audit: Audit

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_security", __name__)
        rooms.add_url_rule(PATH, "security", self.show, methods=["GET"])
        rooms.add_url_rule(f"{PATH}/authenticator", "authenticator", self.authenticator, methods=["GET", "POST"])
        rooms.add_url_rule(f"{PATH}/authenticator/remove", "remove", self.remove, methods=["POST"])
        rooms.add_url_rule(f"{PATH}/recovery-codes", "renew", self.renew, methods=["POST"])
        rooms.add_url_rule(f"{PATH}/browsers", "forget_browsers", self.forget_browsers, methods=["POST"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """What protects the account."""
        with self.database.read() as tx:
            has = self.authenticators.has(tx, visit.person.sub)
            left = self.recovery_codes.left(tx, visit.person.sub)
            passkeys = self.passkeys.of(tx, visit.person.sub)
        return self.frame.render(
            "account/security.html",
            visit,
            PLACE,
            has_authenticator=has,
            codes_left=left,
            passkeys_on=self.passkeys.on,
            passkeys=passkeys,
            has_password=self.accounts.has_password(visit.person.sub),
        )

    @signed_in(PLACE, fresh=True)
    def authenticator(self, visit: Visit) -> Response:
        """Offer a new secret, or put it in use once a code of it is typed."""
        if request.method == "GET":
            offer = self.authenticators.offer(visit.person.sub, visit.person.email or visit.person.username)
            return self._offer_page(visit, offer)
        try:
            offer = self.authenticators.again(visit.person.sub, request.form.get("offer", ""))
            codes = self._accepted(visit, offer.sealed, request.form.get("code", ""))
        except Refused as error:
            return self.frame.render("account/refused.html", visit, PLACE, 400, sentence=sentence(error))
        if codes is None:
            return self._offer_page(visit, offer, alert=i18n.said(_WRONG), status=400)
        if not codes:
            return self._back()
        return self.frame.render("account/recovery_codes.html", visit, PLACE, codes=codes)

    @signed_in(PLACE, fresh=True)
    def remove(self, visit: Visit) -> Response:
        """Stop using the authenticator app, and with the last second factor the recovery codes."""
        with self.database.write() as tx:
            if self.authenticators.remove(tx, visit.person.sub):
                if not self.passkeys.has(tx, visit.person.sub):
                    self.recovery_codes.remove(tx, visit.person.sub)
                self.devices.forget_trust(tx, visit.person.sub)
                self.notices.tell(tx, visit.person, Notice.APP_REMOVED)
                self._audited(tx, visit, "authenticator.removed")
        return self._back()

    @signed_in(PLACE, fresh=True)
    def renew(self, visit: Visit) -> Response:
        """Ten new recovery codes in place of the old ones."""
        with self.database.write() as tx:
            if not self._has_factor(tx, visit.person.sub):
                return self._back()
            codes = self.recovery_codes.renew(tx, visit.person.sub)
            self.notices.tell(tx, visit.person, Notice.RECOVERY_CODES_RENEWED)
            self._audited(tx, visit, "recovery_codes.renewed")
        return self.frame.render("account/recovery_codes.html", visit, PLACE, codes=codes)

    @signed_in(PLACE, fresh=True)
    def forget_browsers(self, visit: Visit) -> Response:
        """Ask for the second factor in every browser again."""
        with self.database.write() as tx:
            self.devices.forget_trust(tx, visit.person.sub)
            self._audited(tx, visit, "browsers.untrusted")
        return self._back()

    def _has_factor(self, tx: sa.Connection, sub: str) -> bool:
        return self.authenticators.has(tx, sub) or self.passkeys.has(tx, sub)

    def _accepted(self, visit: Visit, offer: str, code: str) -> list[str] | None:
        """The recovery codes that come with a newly accepted app, none where some are left; None when the code is wrong."""
        sub = visit.person.sub
        with self.database.write() as tx:
            if not self.authenticators.accept(tx, sub, offer, code):
                return None
            codes = [] if self.recovery_codes.left(tx, sub) else self.recovery_codes.renew(tx, sub)
            self.notices.tell(tx, visit.person, Notice.APP_ADDED)
            self._audited(tx, visit, "authenticator.added")
        return codes

    def _offer_page(self, visit: Visit, offer: Offer, *, alert: str | None = None, status: int = 200) -> Response:
        context = {"offer": offer, "drawing": drawing(offer), "alert": alert}
        return self.frame.render("account/authenticator.html", visit, PLACE, status, **context)

    def _audited(self, tx: sa.Connection, visit: Visit, event: str) -> None:
        self.audit.append(tx, event, sub=visit.person.sub, session=visit.session.sid)

    def _back(self) -> Response:
        return self.frame.pages.redirect(self.frame.pages.url(PATH))
