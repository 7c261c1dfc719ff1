"""The authorization endpoint and the pages between it and the redirect back."""

from __future__ import annotations

from idp.oauth.codes import Codes
from idp.oauth.consent import Consents
from idp.oauth.endpoints.authorize import AuthorizePages
from idp.oauth.pending import PendingAuthorizations
from idp.oauth.request import Lookups
from idp.oauth.response_modes import AuthorizationResponses
from idp.platform.pages import Pages
from idp.tokens.identity import IdTokenHint, read_hint
from idp.wiring import House


def authorize_pages(house: House, pages: Pages) -> AuthorizePages:
    def hint(token: str) -> IdTokenHint | None:
        return read_hint(token, house.keyring, house.settings.issuer)

    lookups = Lookups(house.client_directory.get, house.resource_directory.find, hint, house.settings.issuer)
    return AuthorizePages(
        pages=pages,
        database=house.database,
        clock=house.clock,
        lookups=lookups,
        responses=AuthorizationResponses(pages, house.settings.issuer),
        pending=PendingAuthorizations(house.database, house.clock, ttl=house.settings.authorization_ttl),
        consents=Consents(house.clock),
        codes=Codes(house.clock, ttl=house.settings.code_ttl),
        sessions=house.sessions,
        accounts=house.accounts,
        audit=house.audit,
        grant_ttl=house.settings.refresh_absolute_ttl,
    )
