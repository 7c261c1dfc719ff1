"""The versions there are, and how an old one ends: told in every answer (RFC 9745, RFC 8594), missing for minutes, and then gone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote

from flask import Flask, Response, request
from werkzeug.http import http_date

from resource_server.api.problems import Problem

MIGRATION = "/docs/from-v1-to-v2"
_VERSION = re.compile(r"/v(\d{1,6})(?:/([^/]*)|\Z)")
Brownout = tuple[int, int]
"""When a version is missing on purpose: from (epoch seconds), for how many seconds."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the APIs. `deprecated` and `sunset` are epoch seconds, None for one that stays.

    `followed`: the collections that its successor has; only these end with it.
    """

    name: str
    deprecated: int | None = None
    sunset: int | None = None
    successor: str | None = None
    brownouts: Sequence[Brownout] = ()
    followed: frozenset[str] = frozenset()

    def headers(self, path: str) -> list[tuple[str, str]]:
        """What every answer of an old version says, problems too."""
        if self.deprecated is None or self.sunset is None:
            return []
        links = [
            f'<{MIGRATION}>; rel="deprecation"; type="text/html"',
            f'<{MIGRATION}>; rel="sunset"; type="text/html"',
        ]
        if self.successor is not None:
            successor = quote(path.replace(self.name, self.successor, 1))
            links.append(f'<{successor}>; rel="successor-version"')
        return [("Deprecation", f"@{self.deprecated}"), ("Sunset", http_date(self.sunset)), ("Link", ", ".join(links))]

    def missing_for(self, now: float) -> int | None:
        """How many seconds the version is missing from now on: 0 for ever, None when it is there."""
        if self.sunset is not None and now >= self.sunset:
            return 0
        for begin, seconds in self.brownouts:
            if begin <= now < begin + seconds:
                return int(begin + seconds - now) + 1
        return None


class Versions:
    """All of them; what is asked of a version that is none is told which there are."""

    def __init__(self, versions: Sequence[Version], *, now: Callable[[], float] = time.time) -> None:
        self._versions = {version.name: version for version in versions}
        self._now = now

    def install(self, app: Flask) -> None:
        """Before every request, and after it."""
        app.before_request(self._check)
        app.after_request(self._tell)

    def _asked(self) -> tuple[Version | None, str] | None:
        """The version in the path, None for one that is none, and the collection after it."""
        found = _VERSION.match(request.path)
        return found and (self._versions.get(f"v{found.group(1)}"), found.group(2) or "")

    def _check(self) -> None:
        asked = self._asked()
        if asked is None:
            return
        version, collection = asked
        if version is None:
            raise Problem(404, "unknown_version", "There is no such version.", more={"versions": [*self._versions]})
        seconds = version.missing_for(self._now()) if collection in version.followed else None
        if seconds is not None:
            raise _gone(version, seconds)

    def _tell(self, response: Response) -> Response:
        version, collection = self._asked() or (None, "")
        if version is not None and collection in version.followed:
            response.headers.extend(version.headers(request.path))
        return response


def _gone(version: Version, seconds: int) -> Problem:
    more = {"migration": MIGRATION, "versions": [version.successor]}
    if seconds == 0:
        return Problem(HTTPStatus.GONE, "version_gone", f"{version.name} has ended.", more=more)
    detail = f"{version.name} ends on {datetime.fromtimestamp(version.sunset or 0, UTC):%Y-%m-%d}; today it is missing for some minutes."
    return Problem(HTTPStatus.GONE, "version_gone", detail, more=more, headers={"Retry-After": str(seconds)})
