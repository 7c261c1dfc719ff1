"""Passkeys: the ceremonies, the second step of a login, and the pages on which people keep theirs; nothing of it where no browser knows them."""

from __future__ import annotations

from idp.account import passkeys, security
from idp.account.frame import AccountFrame
from idp.account.passkeys import PasskeyPages
from idp.assembly.login import login_policy
from idp.assembly.senders import replays
from idp.platform.http import Answer, Call, json_answer
from idp.platform.web import Route
from idp.users.email_logins import EmailLogins
from idp.users.login.admission import Admission
from idp.users.login.passkey import PasskeyStep
from idp.users.login.passkey_signup import PasskeySignUp
from idp.users.login.policy import EMAIL, PASSKEY, PASSWORD, UPSTREAM
from idp.users.login.second_factor import SecondFactor
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.passkey_challenges import Challenges
from idp.users.ways_in import WaysIn
from idp.wiring import House

WELL_KNOWN = "/.well-known/passkey-endpoints"


def passkey_routes(house: House) -> list[Route]:
    """Where password managers find the pages on which passkeys are made and kept (W3C Passkey Endpoints)."""
    if not house.passkeys.on:
        return []
    found = {"enroll": house.settings.url(passkeys.PATH), "manage": house.settings.url(security.PATH)}

    def endpoints(_call: Call) -> Answer:
        return json_answer(found)

    return [Route(WELL_KNOWN, endpoints, frozenset({"GET"}), absolute=True)]


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
    """Every way to sign in that counts here: a passkey may be known that is good for a second step only, and letters must be named."""
    methods = set(login_policy(house).methods)
    uncounted = {EMAIL} & methods - set(house.settings.login_methods)
    others = {PASSKEY: house.passkeys.has, EMAIL: EmailLogins.opens, UPSTREAM: house.linked_accounts.has}
    counted = [way for name, way in others.items() if name in methods - uncounted]
    return WaysIn(counted, PASSWORD in methods, letters=EmailLogins.opens if uncounted else None)


def passkey_rooms(
    house: House,
    frame: AccountFrame,
    second: SecondFactor,
    ceremonies: Ceremonies | None,
    admitting: Admission | None,
) -> tuple[PasskeyStep | PasskeyPages | PasskeySignUp, ...]:
    """Every page of passkeys but the login's own."""
    if ceremonies is None:
        return ()
    step, kept = PasskeyStep(second, ceremonies), _account_pages(house, frame, ceremonies)
    if admitting is None or PASSKEY not in login_policy(house).methods:
        return step, kept
    return step, kept, _sign_up(house, second, ceremonies, admitting)


def _account_pages(house: House, frame: AccountFrame, ceremonies: Ceremonies) -> PasskeyPages:
    return PasskeyPages(
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


def _sign_up(house: House, second: SecondFactor, ceremonies: Ceremonies, admitting: Admission) -> PasskeySignUp:
    return PasskeySignUp(
        pages=second.pages,
        audit=house.audit,
        accounts=house.accounts,
        passkeys=house.passkeys,
        recovery_codes=house.recovery_codes,
        admission=admitting,
        ceremonies=ceremonies,
    )
