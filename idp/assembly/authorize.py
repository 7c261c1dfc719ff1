"""The authorization endpoint and the pages between it and the redirect back."""

from __future__ import annotations

from functools import partial

from idp.assembly.login import levels_of, login_levels, login_policy, login_prompts, seats
from idp.assembly.tokens import personal_tokens
from idp.oauth import response_types
from idp.oauth.asking import Asking
from idp.oauth.codes import Codes
from idp.oauth.consent import Consents
from idp.oauth.endpoints.authorize import AuthorizePages
from idp.oauth.issuing import Issuing
from idp.oauth.pending import PendingAuthorizations
from idp.oauth.request import Lookups
from idp.oauth.request_objects import RequestObjects
from idp.oauth.response_modes import AuthorizationResponses
from idp.oauth.session_state import SessionStates
from idp.platform.pages import Pages
from idp.wiring import House


def authorize_pages(house: House, pages: Pages) -> AuthorizePages:
    settings = house.settings
    lookups = Lookups(
        client=house.client_directory.get,
        resource=house.resource_directory.find,
        hint=house.read_hint,
        opened=RequestObjects(house.client_keys, house.outbound.get, house.clock, settings.issuer).opened,
        issuer=settings.issuer,
        response_types=frozenset(response_types.offered(settings.implicit)),
        prompts=frozenset(login_prompts(house)),
        person_of=house.subjects.person_of,
        details=house.details_types.asked,
    )
    issuing = Issuing(
        clock=house.clock,
        codes=Codes(house.clock, ttl=settings.code_ttl),
        grants=house.grants,
        people=house.accounts,
        tokens=personal_tokens(house),
        grant_ttl=settings.refresh_absolute_ttl,
    )
    return AuthorizePages(
        pages=pages,
        database=house.database,
        clock=house.clock,
        lookups=lookups,
        asking=Asking(pages, login_levels(house)),
        levels_of=partial(levels_of, house),
        policy=login_policy(house),
        responses=AuthorizationResponses(pages, settings.issuer),
        states=SessionStates(pages),
        pending=PendingAuthorizations(house.database, house.clock, ttl=settings.authorization_ttl),
        consents=Consents(house.clock),
        issuing=issuing,
        details_in_words=house.details_types.in_words,
        sessions=house.sessions,
        seats=seats(house, pages),
        accounts=house.accounts,
        audit=house.audit,
    )
