"""`/account/access`: who may do what with this account: its roles, its apps with what was granted to the last detail, and who acted for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flask import Blueprint, Response

from idp.account.activity import NameOf
from idp.account.frame import AccountFrame, Visit, signed_in
from idp.oauth.allowed import AllowedApps
from idp.oauth.consent import AskedGroup, in_words
from idp.oauth.exchange.rules import ExchangeRule
from idp.oauth.resources import Resource
from idp.platform.audit import Event, events_of
from idp.platform.db import Database

PLACE = "access"
PATH = "/account/access"
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Acting:
    """A service that may go on in a person's name where an app hands it a token: whose token, what it may do, and when it last did."""

    title: str
    groups: tuple[AskedGroup, ...]
    used_at: int | None


@dataclass(frozen=True, slots=True)
class AccessPage:
    """What the page needs; `rules` are those of token exchange (RFC 8693)."""

    frame: AccountFrame
    database: Database
    apps: AllowedApps
    rules: Callable[[], Iterable[ExchangeRule]]
    name_of: NameOf
    find_resource: Callable[[str], Resource | None]
    issuer: str

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("account_access", __name__)
        rooms.add_url_rule(PATH, "access", self.show, methods=["GET"])
        return rooms

    @signed_in(PLACE)
    def show(self, visit: Visit) -> Response:
        """All of it."""
        apps = self.apps.of(visit.person.sub)
        audiences = frozenset(audience for app in apps for audience in app.audiences)
        with self.database.read() as tx:
            exchanged = events_of(tx, visit.person.sub, _LOOKED_AT, names=("token.exchanged",))
        return self.frame.render(
            "account/access.html",
            visit,
            PLACE,
            roles=visit.person.roles,
            apps=apps,
            acting=[
                self._acting(rule, exchanged) for rule in self.rules() if self._applies(rule, audiences, exchanged)
            ],
        )

    def _applies(self, rule: ExchangeRule, audiences: frozenset[str], exchanged: list[Event]) -> bool:
        """Whether a token of this person's apps can be handed on by this rule, or was."""
        return any(rule.accepts(one, self.issuer) for one in audiences) or _last(rule, exchanged) is not None

    def _acting(self, rule: ExchangeRule, exchanged: list[Event]) -> Acting:
        resource = self.find_resource(rule.audience)
        groups = in_words(rule.scopes, [resource]) if resource else []
        return Acting(self.name_of(rule.client_id) or rule.client_id, tuple(groups), _last(rule, exchanged))


def _last(rule: ExchangeRule, exchanged: list[Event]) -> int | None:
    """When it was last used for this person."""
    used = (rule.client_id, rule.audience)
    return next(
        (one.time for one in exchanged if (one.facts.get("client_id"), one.facts.get("audience")) == used), None
    )
