"""What of a running node follows its settings: how often things may happen, and who connects to the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from idp.assembly.login import failures_per_network
from idp.platform.jobs import Loop
from idp.platform.throttle import LINES
from idp.settings import Settings
from idp.wiring import House
from setting_sources.databases import Credentials, credentials_only
from setting_sources.live import Live, any_value

Again = Callable[[], Settings]
LIMITS: Mapping[str, str] = {
    "registration": "registration_max",
}
"""The limits that may change without a restart, and the setting of each."""
BOUNDS: Mapping[str, str] = {
    "login-account": "login_max_failures",
    "login-device": "login_max_failures",
    "login-passkey": "login_max_failures",
    "password-current": "login_max_failures",
    "login-line": "login_max_failures_per_address",
    "login-browser": "login_max_failures_per_address",
    "login-network": "login_max_failures_per_network",
    "second-factor-account": "code_max_failures",
    "second-factor-device": "code_max_failures",
}
"""The same for wrong answers."""
ASKS: Mapping[str, str] = {
    "reset": "reset_max",
    "reset-browser": "reset_max",
    "reset-line": "reset_max_per_address",
    "email-login": "email_login_max",
    "email-login-browser": "email_login_max",
    "email-login-line": "email_login_max_per_address",
    "email-letters": "email_change_max",
    "email-letters-to": "email_change_max",
    "email-letters-line": "email_change_max_per_address",
    "signup-letters": "email_change_max",
    "signup-line": "signup_max",
}
"""The same for letters and sign-ups."""
NETWORKS = ("reset", "email-login", "email-letters", "signup")
"""Those that are counted by network too: as often as so many lines."""
SAFE: Mapping[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys((*LIMITS.values(), *BOUNDS.values(), *ASKS.values()), any_value),
    "database_url": credentials_only,
}


def following(house: House, again: Again) -> Loop | None:
    """The thread that reads the settings again, not yet started; None where no source of theirs can change."""
    live = Live(house.settings, again, SAFE)
    if not live.watched:
        return None
    credentials = Credentials(house.database.engine)

    def changed(new: Settings) -> None:
        house.limits.change({limit: getattr(new, name) for limit, name in LIMITS.items()})
        wrong = {bound: getattr(new, name) for bound, name in BOUNDS.items()}
        house.throttle.change({**wrong, "login-network": failures_per_network(new)})
        asks = {bound: getattr(new, name) for bound, name in ASKS.items()}
        networks = {f"{name}-network": asks[f"{name}-line"] * LINES for name in NETWORKS}
        house.asks_throttle.change({**asks, **networks})
        credentials.change(new.database)

    live.listen(changed)
    return Loop("settings", live.poll, seconds=house.settings.config_refresh)
