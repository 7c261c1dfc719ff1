"""The pages behind mail."""

from __future__ import annotations

from idp.platform.pages import Pages
from idp.users.mail_pages import MailPages
from idp.wiring import House


def mail_pages(house: House, pages: Pages) -> MailPages:
    settings = house.settings
    return MailPages(
        pages,
        house.limits,
        house.recovery,
        house.verification,
        resets=settings.reset_max,
        resets_per_peer=settings.reset_max_per_address,
        min_length=settings.password_min_length,
    )
