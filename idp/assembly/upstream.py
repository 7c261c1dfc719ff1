"""Log in with others: the providers, the way there and back, and the page of linked accounts."""

from __future__ import annotations

from idp.account.frame import AccountFrame
from idp.account.linked import LinkedPages
from idp.assembly.asks import asks
from idp.assembly.passkeys import ways_in
from idp.platform.pages import Pages
from idp.upstream.admin import ProviderAdmin
from idp.upstream.arrivals import Arrivals
from idp.upstream.conversation import Conversations
from idp.upstream.departures import Departures
from idp.upstream.directory import ProviderDirectory
from idp.upstream.journeys import Journeys
from idp.upstream.metadata import Discovery
from idp.upstream.pages import UpstreamPages
from idp.users.login.second_factor import SecondFactor
from idp.wiring import House


def provider_directory(house: House) -> ProviderDirectory:
    return ProviderDirectory(house.database, house.master)


def provider_admin(house: House) -> ProviderAdmin:
    return ProviderAdmin(house.database, house.master, house.clock, house.audit, provider_directory(house))


def upstream_rooms(
    house: House, pages: Pages, frame: AccountFrame, second: SecondFactor
) -> tuple[UpstreamPages, LinkedPages]:
    departures = _departures(house)
    arrivals = Arrivals(
        database=house.database,
        accounts=house.accounts,
        linked=house.linked_accounts,
        email_changes=house.email_changes,
        audit=house.audit,
        notices=house.notices,
        asks=asks(house),
        invitations=house.invitations,
        signup=house.settings.signup == "on",
    )
    linked = LinkedPages(
        frame=frame,
        database=house.database,
        linked=house.linked_accounts,
        departures=departures,
        ways_in=ways_in(house),
        audit=house.audit,
        notices=house.notices,
    )
    return UpstreamPages(pages, house.sessions, departures, arrivals, second, second.find_context), linked


def _departures(house: House) -> Departures:
    directory = provider_directory(house)
    journeys = Journeys(house.database, house.clock, house.master)
    conversations = Conversations(
        outbound=house.outbound,
        clock=house.clock,
        keys=house.remote_keys,
        discovery=Discovery(house.outbound.get, house.clock),
        directory=directory,
        journeys=journeys,
        url=house.settings.url,
    )
    return Departures(directory, journeys, conversations)
