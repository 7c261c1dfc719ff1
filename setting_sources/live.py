"""Settings that change while the program runs: read again from time to time, and what may change changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import structlog

from setting_sources.fields import SourceSettings
from setting_sources.gathering import SettingsError

S = TypeVar("S", bound=SourceSettings)
log = structlog.get_logger("settings")


class Live(Generic[S]):
    """`current` are the settings as they count now; `safe` names what may change without a restart, each with a check of old and new value."""

    def __init__(self, current: S, again: Callable[[], S], safe: Mapping[str, Callable[[Any, Any], bool]]) -> None:
        self.current = current
        self._again = again
        self._safe = safe
        self._listeners: list[Callable[[S], None]] = []
        self._waiting: frozenset[str] = frozenset()

    @property
    def watched(self) -> bool:
        """Whether there is anything that could change."""
        return self.current.config_url is not None or self.current.secrets_dir is not None

    def listen(self, listener: Callable[[S], None]) -> None:
        """Call this with the settings after each change."""
        self._listeners.append(listener)

    def poll(self) -> bool:
        """Read again; says whether anything changed. What is faulty or away changes nothing."""
        try:
            new = self._again()
        except SettingsError as error:
            log.warning("settings were not read again", faults=error.faults)
            return False
        changed = {name for name in type(new).model_fields if getattr(new, name) != getattr(self.current, name)}
        taken = {
            name
            for name in changed & set(self._safe)
            if self._safe[name](getattr(self.current, name), getattr(new, name))
        }
        self._tell_of(frozenset(changed - taken))
        if not taken:
            return False
        self.current = self.current.model_copy(update={name: getattr(new, name) for name in taken})
        log.info("settings changed", names=sorted(taken))
        for listener in self._listeners:
            listener(self.current)
        return True

    def _tell_of(self, waiting: frozenset[str]) -> None:
        if waiting - self._waiting:
            log.warning("settings changed that need a restart", names=sorted(waiting))
        self._waiting = waiting


def any_value(_old: Any, _new: Any) -> bool:
    """Every change of it is safe."""
    return True
