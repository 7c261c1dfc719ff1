"""`/account/linked`: the accounts at other providers that open this one; link and unlink."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.account.frame import AccountFrame, Visit, signed_in
from idp.errors import Refused
from idp.platform import i18n
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.upstream.departures import Departures
from idp.upstream.linked import LinkedAccounts
from idp.upstream.pages import LINKED
from idp.upstream.stopped import Stopped
from idp.users.login.words import sentence
from idp.users.notices import Notice, Notices
from idp.users.ways_in import WaysIn

PLACE = "linked"
PATH = LINKED


@dataclass(frozen=True, slots=True)
class LinkedPages:
    """What the pages need. Linking and unlinking ask for a fresh login and leave an audit row."""

    frame: AccountFrame
    database: Database
    linked: LinkedAccounts
    departures: Departures
    ways_in: WaysIn
    audit: Audit
    notices: Notices

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_linked", __name__)
        rooms.add_url_rule(PATH, "linked", self.show, methods=["GET"])
        rooms.add_url_rule(f"{PATH}/add", "add", self.add, methods=["POST"])
        rooms.add_url_rule(f"{PATH}/remove", "remove", self.remove, methods=["POST"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """What is linked, and what could be."""
        return self._page(visit)

    @signed_in(PLACE, fresh=True)
    def add(self, visit: Visit) -> Response:
        """To the provider; the callback links."""
        browser = self.frame.pages.browser(request)
        try:
            known = self.departures.usable(request.form.get("provider", ""))
            url = self.departures.leave(known, browser, sub=visit.person.sub, fresh=True)
        except Stopped as stopped:
            return self._page(visit, alert=i18n.said(stopped.description), status=stopped.status)
        return self.frame.pages.keep_browser(request, self.frame.pages.redirect(url), browser)

    @signed_in(PLACE, fresh=True)
    def remove(self, visit: Visit) -> Response:
        """Unlink one, while another way in is left."""
        sub, titles = visit.person.sub, self.departures.directory.titles()
        try:
            with self.database.write() as tx:
                self.ways_in.hold(tx, sub)
                provider = self.linked.remove(tx, sub, request.form.get("link", ""))
                if provider is not None:
                    self.ways_in.check(tx, sub)
                    self.audit.append(tx, "account.unlinked", sub=sub, provider=provider, session=visit.session.sid)
                    self.notices.tell(tx, visit.person, Notice.ACCOUNT_UNLINKED, about=titles.get(provider, provider))
        except Refused as error:
            return self._page(visit, alert=sentence(error), status=409)
        return self.frame.pages.redirect(self.frame.pages.url(PATH))

    def _page(self, visit: Visit, *, alert: str | None = None, status: int = 200) -> Response:
        with self.database.read() as tx:
            links = self.linked.of(tx, visit.person.sub)
        return self.frame.render(
            "account/linked.html",
            visit,
            PLACE,
            status,
            leads_away=True,
            links=links,
            titles=self.departures.directory.titles(),
            offered=self.departures.directory.enabled(),
            alert=alert,
        )
