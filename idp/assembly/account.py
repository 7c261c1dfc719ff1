"""The account pages."""

from __future__ import annotations

from functools import partial

from idp.account import (
    access,
    activity,
    apps,
    data,
    email,
    linked,
    overview,
    passkeys,
    password,
    profile,
    security,
    sessions,
    switch,
)
from idp.account.access import AccessPage
from idp.account.activity import ActivityPages
from idp.account.apps import AppPages
from idp.account.data import DataPages
from idp.account.export import Export
from idp.account.frame import AccountFrame, Room
from idp.account.overview import OverviewPage
from idp.account.password import PasswordPages
from idp.account.profile import ProfilePages
from idp.account.security import SecurityPages
from idp.account.sessions import SessionPages
from idp.assembly.login import login_policy
from idp.assembly.upstream import provider_directory
from idp.oauth.allowed import AllowedApps
from idp.oauth.registration.about import in_language
from idp.platform import i18n
from idp.platform.pages import Pages
from idp.users.login.policy import EMAIL
from idp.users.password_change import PasswordChange
from idp.wiring import House


def account_frame(house: House, pages: Pages) -> AccountFrame:
    places = {
        overview.PLACE: overview.PATH,
        sessions.PLACE: sessions.PATH,
        apps.PLACE: apps.PATH,
        access.PLACE: access.PATH,
        activity.PLACE: activity.PATH,
        data.PLACE: data.PATH,
        data.CLOSE: data.CLOSE_PATH,
        profile.PLACE: profile.PATH,
        security.PLACE: security.PATH,
        passkeys.PLACE: passkeys.PATH,
        password.PLACE: password.PATH,
        linked.PLACE: linked.PATH,
        email.PLACE: email.PATH,
        switch.PLACE: switch.AFTER,
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
        AppPages(frame, allowed_apps(house)),
        ProfilePages(frame),
        ActivityPages(frame, house.database, partial(_name_of, house)),
        _access(house, frame),
        DataPages(frame, _export(house), house.audit, house.settings.account_grace_days),
    )


def allowed_apps(house: House) -> AllowedApps:
    return AllowedApps(
        database=house.database,
        clock=house.clock,
        find_client=house.client_directory.get,
        find_resource=house.resource_directory.find,
        details_in_words=house.details_types.in_words,
        grants=house.grants,
        audit=house.audit,
    )


def _export(house: House) -> Export:
    return Export(
        database=house.database,
        sessions=house.sessions,
        devices=house.devices,
        passkeys=house.passkeys,
        authenticators=house.authenticators,
        recovery_codes=house.recovery_codes,
        linked=house.linked_accounts,
        apps=allowed_apps(house),
        grants=house.grants,
    )


def _access(house: House, frame: AccountFrame) -> AccessPage:
    return AccessPage(
        frame,
        house.database,
        allowed_apps(house),
        house.exchange_rules.list,
        partial(_name_of, house),
        house.resource_directory.find,
        house.settings.issuer,
    )


def _name_of(house: House, client_id: str) -> str | None:
    """What a client is called in the language that is spoken."""
    client = house.client_directory.get(client_id)
    return None if client is None else in_language(client.metadata, "client_name", i18n.wishes().tags) or client.name


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
