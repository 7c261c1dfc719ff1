"""Where the identity provider's settings come from: the only reader of its environment (`setting_sources`)."""

from __future__ import annotations

from idp.settings import PREFIX, Settings
from setting_sources.gathering import SettingsError, Sources

__all__ = ["SettingsError", "again", "load"]

_SOURCES = Sources(Settings, PREFIX)
load = _SOURCES.load
again = _SOURCES.again
