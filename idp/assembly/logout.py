"""The end-session endpoint."""

from __future__ import annotations

from idp.assembly.login import seats
from idp.oauth.endpoints.logout import LogoutPages
from idp.oauth.logout.frames import LogoutFrames
from idp.platform.pages import Pages
from idp.wiring import House


def logout_pages(house: House, pages: Pages) -> LogoutPages:
    return LogoutPages(
        pages,
        house.sessions,
        seats(house, pages),
        house.accounts,
        house.client_directory,
        LogoutFrames(house.database, house.client_directory, house.settings.issuer),
        house.read_hint,
        house.master,
        house.clock,
    )
