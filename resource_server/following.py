"""What of a running process follows its settings: budgets, the log's level, who connects to the databases, what the provider knows us by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from resource_server.api.rates import Rates
from resource_server.api.service import Service, Work
from resource_server.platform.logs import configure_logs
from resource_server.settings import Settings
from setting_sources.databases import Credentials, credentials_only
from setting_sources.live import Live, any_value

Again = Callable[[], Settings]
SAFE: Mapping[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("rate_reads", "rate_writes", "log_level"), any_value),
    **dict.fromkeys(("provider_secret", "provider_secret_other"), any_value),
    **dict.fromkeys(
        ("database_url", "users_database_url", "orders_database_url", "payments_database_url"), credentials_only
    ),
}
"""What may change without a restart, and how far."""


def following(settings: Settings, again: Again, services: tuple[Service, ...], rates: Rates) -> Iterator[Work]:
    """The work of reading again from time to time; none where no source can change."""
    live = Live(settings, again, SAFE)
    if not live.watched:
        return
    credentials = {service.name: Credentials(service.store.engine) for service in services}

    def changed(new: Settings) -> None:
        configure_logs(new.log_level)
        rates.change(reads=new.rate_reads, writes=new.rate_writes)
        for name, kept in credentials.items():
            kept.change(new.database(name))
        for service in services:
            service.follow(new)

    live.listen(changed)
    yield Work("settings", live.poll, every=settings.config_refresh)
