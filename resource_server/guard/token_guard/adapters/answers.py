"""What HTTP adapters answer: a refusal, the API's metadata, and which operation a request is for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from token_guard.errors import GuardError
from token_guard.needs import Needs
from token_guard.resource_metadata import well_known_url

JSON = "application/json"
Choose = Callable[[str, str], Needs | None]
"""(method, path): what an operation needs; None: it is open to everybody, which is said on purpose."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refusal(error: GuardError) -> Answer:
    """The standard error code and challenge, never the reason (RFC 6750 §3)."""
    told = error.body()
    headers = {"Content-Type": JSON, "Cache-Control": "no-store", **error.headers()}
    return Answer(error.status, headers, json.dumps(told).encode() if told else b"")


def chooser(needs: Needs | Choose) -> Choose:
    """The same needs for every operation, or the app's own choice."""
    return needs if callable(needs) else lambda _method, _path: needs


@dataclass(frozen=True, slots=True)
class Published:
    """A metadata document and the path it is served at, to everybody (RFC 9728 §3)."""

    path: str
    answer: Answer

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Published | None:
        """None for no document."""
        if document is None:
            return None
        headers = {"Content-Type": JSON, "Cache-Control": "public, max-age=300"}
        path = urlsplit(well_known_url(document["resource"])).path
        return cls(path, Answer(200, headers, json.dumps(document).encode()))
