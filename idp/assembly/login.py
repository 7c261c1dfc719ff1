"""The login pages, the chain of methods they walk, and the second step."""

from __future__ import annotations

from dataclasses import replace

from idp.account import switch
from idp.account.frame import AccountFrame
from idp.assembly.asks import asks
from idp.errors import Refused
from idp.oauth.endpoints.authorize import AuthorizePages
from idp.oauth.request import PROMPTS
from idp.platform.pages import Pages
from idp.platform.throttle import LINES
from idp.settings import Settings
from idp.upstream.directory import ProviderDirectory
from idp.users.login.chain import LEVELS
from idp.users.login.chooser import AccountChooser
from idp.users.login.context import FindContext, LoginContext
from idp.users.login.email import EmailLoginPages, EmailMethod
from idp.users.login.guesses import Guesses
from idp.users.login.opener import LoginOpener
from idp.users.login.pages import LoginPages
from idp.users.login.passkey import PasskeyMethod
from idp.users.login.password import PasswordMethod
from idp.users.login.policy import EMAIL, METHODS, PASSKEY, PASSWORD, UPSTREAM, LoginPolicy
from idp.users.login.second_factor import SecondFactor
from idp.users.login.steps import LoginSteps
from idp.users.passkey_ceremonies import Ceremonies
from idp.users.seats import Seats
from idp.wiring import House

_DAY = 86400


def login_policy(house: House) -> LoginPolicy:
    """The ways to sign in that are switched on, in the order of the settings."""
    there = {PASSWORD: True, PASSKEY: house.passkeys.on, EMAIL: house.settings.email_login, UPSTREAM: True}
    named = house.settings.login_methods or METHODS
    methods = tuple(name for name in named if there.get(name))
    if not methods:
        raise Refused("login_methods", "IDP_LOGIN_METHODS names no way to sign in that can be had here")
    return LoginPolicy(methods, house.settings.second_factor == "required")


def guesses(house: House) -> Guesses:
    """What wrong answers are counted under."""
    settings = house.settings
    return Guesses(
        throttle=house.throttle,
        devices=house.devices,
        per_account=settings.login_max_failures,
        per_code=settings.code_max_failures,
        per_line=settings.login_max_failures_per_address,
        per_network=failures_per_network(settings),
    )


def failures_per_network(settings: Settings) -> int:
    """How many wrong answers a network has in a window: as many as so many of its lines, where nothing else is said."""
    return settings.login_max_failures_per_network or settings.login_max_failures_per_address * LINES


def login_levels(house: House) -> tuple[str, ...]:
    """The `acr` values that the login methods switched on can reach."""
    return LEVELS if house.passkeys.on else LEVELS[:2]


def levels_of(house: House, sub: str) -> tuple[str, ...]:
    """The `acr` values that this person's logins can reach."""
    with house.database.read() as tx:
        if house.passkeys.has(tx, sub):
            return LEVELS
        return LEVELS[:2] if house.authenticators.has(tx, sub) else LEVELS[:1]


def login_prompts(house: House) -> tuple[str, ...]:
    """The `prompt` values there are pages for; `create` where people make accounts themselves."""
    return (*PROMPTS, "create") if house.settings.signup != "off" else PROMPTS


def askers(authorize: AuthorizePages, account: AccountFrame) -> FindContext:
    """Everybody who asks for logins: the account pages by the names of their flows, apps by waiting requests."""

    def find(flow: str, browser: str) -> LoginContext | None:
        context = account.find_context(flow)
        if context is not None and account.place_of(flow) == switch.PLACE:
            return replace(context, choosing=True, beside=True)
        return context or authorize.find_context(flow, browser)

    return find


def seats(house: House, pages: Pages) -> Seats:
    """Who sits in a browser."""
    return Seats(pages, house.sessions, house.accounts)


def account_chooser(house: House, pages: Pages, find_context: FindContext, asker: AuthorizePages) -> AccountChooser:
    return AccountChooser(pages, house.database, house.accounts, seats(house, pages), find_context, asker.chosen)


def login_opener(house: House, pages: Pages, asker: AuthorizePages) -> LoginOpener:
    return LoginOpener(
        pages=pages,
        database=house.database,
        accounts=house.accounts,
        sessions=house.sessions,
        seats=seats(house, pages),
        devices=house.devices,
        notices=house.notices,
        steps=LoginSteps(house.database, house.clock),
        asker=asker,
        trust_seconds=house.settings.trusted_device_days * _DAY,
    )


def second_factor(house: House, pages: Pages, find_context: FindContext, opener: LoginOpener) -> SecondFactor:
    return SecondFactor(
        pages=pages,
        accounts=house.accounts,
        devices=house.devices,
        guesses=guesses(house),
        audit=house.audit,
        policy=login_policy(house),
        steps=opener.steps,
        authenticators=house.authenticators,
        recovery_codes=house.recovery_codes,
        passkeys=house.passkeys,
        opener=opener,
        find_context=find_context,
    )


def login_pages(
    house: House, pages: Pages, second: SecondFactor, ceremonies: Ceremonies | None, chooser: AccountChooser
) -> LoginPages:
    password = PasswordMethod(house.accounts, guesses(house))
    passkey = None if ceremonies is None else PasskeyMethod(ceremonies, guesses(house))
    return LoginPages(
        pages=pages,
        database=house.database,
        accounts=house.accounts,
        sessions=house.sessions,
        policy=login_policy(house),
        password=password,
        passkey=passkey,
        second_factor=second,
        opener=second.opener,
        find_context=second.find_context,
        chooser=chooser,
        others=ProviderDirectory(house.database, house.master).enabled,
        welcomes_strangers=house.settings.signup == "on",
    )


def email_login_rooms(house: House, second: SecondFactor) -> tuple[EmailLoginPages, ...]:
    """The pages of logins by mail, where such are offered."""
    policy = login_policy(house)
    if EMAIL not in policy.methods:
        return ()
    pages = EmailLoginPages(
        pages=second.pages,
        policy=policy,
        asks=asks(house),
        logins=house.email_logins,
        method=EmailMethod(house.email_logins, guesses(house)),
        second_factor=second,
        find_context=second.find_context,
        life=house.settings.email_login_ttl,
    )
    return (pages,)
