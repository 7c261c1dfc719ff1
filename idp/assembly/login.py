"""The login pages and the chain of methods they walk."""

from __future__ import annotations

from idp.oauth.endpoints.authorize import AuthorizePages
from idp.oauth.metadata import default_levels
from idp.oauth.request import PROMPTS
from idp.platform.pages import Pages
from idp.users.login.chain import Chain
from idp.users.login.pages import LoginPages
from idp.users.login.password import PasswordMethod
from idp.wiring import House


def login_levels() -> tuple[str, ...]:
    """The `acr` values that the login methods switched on can reach."""
    return default_levels({"password"})


def login_prompts(house: House) -> tuple[str, ...]:
    """The `prompt` values there are pages for; `create` where strangers may make an account."""
    return (*PROMPTS, "create") if house.settings.signup == "on" else PROMPTS


def login_pages(house: House, pages: Pages, asker: AuthorizePages) -> LoginPages:
    settings = house.settings
    password = PasswordMethod(
        house.accounts,
        house.limits,
        house.devices,
        window=settings.login_window,
        per_account=settings.login_max_failures,
        per_address=settings.login_max_failures_per_address,
    )
    return LoginPages(
        pages=pages,
        database=house.database,
        accounts=house.accounts,
        sessions=house.sessions,
        devices=house.devices,
        limits=house.limits,
        chain=Chain([password]),
        find_context=asker.find_context,
        logged_in=asker.logged_in,
        signup=settings.signup == "on",
        signup_max=settings.signup_max,
    )
