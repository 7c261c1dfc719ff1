"""How often letters are sent and accounts made."""

from __future__ import annotations

from idp.platform.throttle import LINES
from idp.users.asks import Asks, Most
from idp.wiring import House


def asks(house: House) -> Asks:
    """What everybody who sends letters or makes accounts counts with."""
    settings = house.settings
    return Asks(
        throttle=house.asks_throttle,
        accounts=house.accounts,
        devices=house.devices,
        resets=Most(settings.reset_max, settings.reset_max_per_address),
        logins=Most(settings.email_login_max, settings.email_login_max_per_address),
        letters=Most(settings.email_change_max, settings.email_change_max_per_address),
        sign_ups=settings.signup_max,
        lines=LINES,
    )
