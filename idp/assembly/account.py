"""The account pages."""

from __future__ import annotations

from idp.account import email, linked, passkeys, password, security
from idp.account.frame import AccountFrame
from idp.account.password import PasswordPages
from idp.account.security import SecurityPages
from idp.platform.pages import Pages
from idp.users.password_change import PasswordChange
from idp.wiring import House


def account_frame(house: House, pages: Pages) -> AccountFrame:
    places = {
        security.PLACE: security.PATH,
        passkeys.PLACE: passkeys.PATH,
        password.PLACE: password.PATH,
        linked.PLACE: linked.PATH,
        email.PLACE: email.PATH,
        email.CHANGE: email.CHANGE_PATH,
    }
    return AccountFrame(pages, house.accounts, house.sessions, house.clock, places)


def security_pages(house: House, frame: AccountFrame) -> SecurityPages:
    return SecurityPages(
        frame,
        house.database,
        house.accounts,
        house.authenticators,
        house.recovery_codes,
        house.passkeys,
        house.devices,
        house.notices,
        house.audit,
    )


def password_pages(house: House, frame: AccountFrame) -> PasswordPages:
    settings = house.settings
    change = PasswordChange(
        house.accounts,
        house.sessions,
        house.devices,
        house.limits,
        window=settings.login_window,
        tries=settings.login_max_failures,
    )
    return PasswordPages(frame, change, settings.password_min_length)
