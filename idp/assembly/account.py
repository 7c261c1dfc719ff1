"""The account pages."""

from __future__ import annotations

from idp.account import email, linked, overview, passkeys, password, security, sessions
from idp.account.frame import AccountFrame, Room
from idp.account.overview import OverviewPage
from idp.account.password import PasswordPages
from idp.account.security import SecurityPages
from idp.account.sessions import SessionPages
from idp.assembly.login import login_policy
from idp.assembly.upstream import provider_directory
from idp.platform.pages import Pages
from idp.users.login.policy import EMAIL
from idp.users.password_change import PasswordChange
from idp.wiring import House


def account_frame(house: House, pages: Pages) -> AccountFrame:
    places = {
        overview.PLACE: overview.PATH,
        sessions.PLACE: sessions.PATH,
        security.PLACE: security.PATH,
        passkeys.PLACE: passkeys.PATH,
        password.PLACE: password.PATH,
        linked.PLACE: linked.PATH,
        email.PLACE: email.PATH,
        email.CHANGE: email.CHANGE_PATH,
    }
    return AccountFrame(pages, house.accounts, house.sessions, house.clock, places)


def account_rooms(house: House, frame: AccountFrame) -> tuple[Room, ...]:
    """Every account page that has no other room."""
    return (
        _overview(house, frame),
        _security(house, frame),
        _password(house, frame),
        SessionPages(frame, house.database, house.sessions),
    )


def _overview(house: House, frame: AccountFrame) -> OverviewPage:
    return OverviewPage(
        frame,
        house.database,
        house.passkeys,
        house.linked_accounts,
        provider_directory(house),
        house.authenticators,
        house.recovery_codes,
        by_mail=EMAIL in login_policy(house).methods,
    )


def _security(house: House, frame: AccountFrame) -> SecurityPages:
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


def _password(house: House, frame: AccountFrame) -> PasswordPages:
    settings = house.settings
    change = PasswordChange(
        house.accounts,
        house.sessions,
        house.devices,
        house.throttle,
        tries=settings.login_max_failures,
    )
    return PasswordPages(frame, change, settings.password_min_length)
