"""Passkeys: the ceremonies, the second step of a login, and the pages on which people keep theirs; nothing of it where no browser knows them."""

from __future__ import annotations

from idp.account.frame import AccountFrame
from idp.account.passkeys import PasskeyPages
from idp.assembly.senders import replays
from idp.users.login.passkey import PasskeyStep
from idp.users.login.second_factor import SecondFactor
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.passkey_challenges import Challenges
from idp.users.ways_in import WaysIn
from idp.wiring import House


def passkey_ceremonies(house: House) -> Ceremonies | None:
    if house.relying_party is None:
        return None
    return Ceremonies(
        rp=house.relying_party,
        master=house.master,
        database=house.database,
        audit=house.audit,
        accounts=house.accounts,
        notices=house.notices,
        passkeys=house.passkeys,
        challenges=Challenges(house.master, house.clock, replays(house)),
    )


def ways_in(house: House) -> WaysIn:
    """Every way to sign in there is besides the password."""
    return WaysIn([house.passkeys.has])


def passkey_rooms(
    house: House, frame: AccountFrame, second: SecondFactor, ceremonies: Ceremonies | None
) -> tuple[PasskeyStep | PasskeyPages, ...]:
    if ceremonies is None:
        return ()
    pages = PasskeyPages(
        frame=frame,
        database=house.database,
        accounts=house.accounts,
        authenticators=house.authenticators,
        recovery_codes=house.recovery_codes,
        devices=house.devices,
        passkeys=house.passkeys,
        ceremonies=ceremonies,
        ways_in=ways_in(house),
        notices=house.notices,
        audit=house.audit,
    )
    return (PasskeyStep(second, ceremonies), pages)
