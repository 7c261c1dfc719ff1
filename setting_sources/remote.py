"""A configuration server as one of the sources: asked, and where it is down remembered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from setting_sources.directory import plain
from setting_sources.last_good import LastGood
from setting_sources.servers import Place, ServerError

log = logging.getLogger("setting_sources")


class Remote:
    """`values` are what is known before; `default` is the folder of the copy unless they say another file."""

    def __init__(
        self, values: Mapping[str, Any], *, default: Path, name: str, is_secret: Callable[[str], bool]
    ) -> None:
        self._values = values
        self._prefix = f"{name}_"
        token, ca_file = values.get("config_token"), values.get("config_ca_file")
        self._token: str | None = token or None
        self._ca_file = Path(ca_file) if ca_file else None
        place = values.get("config_last_good") or default / f"{name}-settings.last-good"
        self._last_good = LastGood(Path(place), self._token, is_secret)

    def read(self, last_good: bool, faults: list[str]) -> dict[str, str] | None:
        """What the server says, by the names of fields; with `last_good` what it said last where it is down now."""
        variable = f"{self._prefix.upper()}CONFIG_URL"
        try:
            found = Place.of(str(self._values["config_url"])).read(self._token, self._ca_file)
        except ValueError as error:
            faults.append(f"{variable}: {error}")
            return None
        except ServerError as error:
            kept = self._last_good.recall() if error.away and last_good else None
            if kept is None:
                faults.append(f"{variable}: {error}" + ("; there is no good copy to start from" if last_good else ""))
            else:
                log.warning("the configuration server is away (%s): starting from the last good copy", error)
            return kept
        return {plain(name).removeprefix(self._prefix): value for name, value in found.items()}

    def keep(self, values: Mapping[str, str]) -> None:
        """These were good: the next start may rely on them."""
        try:
            self._last_good.keep(values)
        except OSError as error:
            log.warning("the last good copy of the settings cannot be written (%s)", error.strerror)
