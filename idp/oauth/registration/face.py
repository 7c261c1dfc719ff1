"""What each part of client metadata is: members of a kind each, and a check of how their values fit together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from idp.errors import Refused
from idp.oauth import redirects

Metadata = Mapping[str, Any]
Kind = Callable[[Any], str | None]
"""value -> what is wrong with it, as the end of a sentence that begins with the member's name; None: nothing."""
MAX_TEXT, MAX_LIST = 200, 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Concern:
    """Members that belong together; `check` sees the whole metadata with its defaults and raises `Refused`."""

    members: Mapping[str, Kind]
    check: Callable[[Metadata], None] = lambda _metadata: None


def refuse(description: str, code: str = "invalid_client_metadata") -> NoReturn:
    """Refuse the metadata (RFC 7591 §3.2.2)."""
    raise Refused(code, description)


def code_of(name: str) -> str:
    """The error code for a fault of a member (RFC 7591 §3.2.2)."""
    return "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"


def string(value: Any) -> str | None:
    """Any string without control characters."""
    if not isinstance(value, str):
        return "must be a string"
    return "must not have control characters" if _CONTROL.search(value) else None


def text(value: Any) -> str | None:
    """A short string for people."""
    return string(value) or (f"has at most {MAX_TEXT} characters" if len(value) > MAX_TEXT else None)


def strings(value: Any) -> str | None:
    """A list of strings that say something."""
    if not isinstance(value, list) or len(value) > MAX_LIST or not all(isinstance(one, str) and one for one in value):
        return "must be a list of strings"
    return next(filter(None, map(string, value)), None)


def seconds(value: Any) -> str | None:
    """A duration; zero counts."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return None if whole and value >= 0 else "must be a number of seconds"


def flag(value: Any) -> str | None:
    """Yes or no."""
    return None if isinstance(value, bool) else "must be true or false"


def anything(_value: Any) -> str | None:
    """Judged by its concern."""
    return None


def page_url(value: Any) -> str | None:
    """The address of a web page for people."""
    return string(value) or (None if value.startswith(("https://", "http://")) else "must be an http or https URL")


def fetched_url(value: Any) -> str | None:
    """An address that we fetch from ourselves: https; http on loopback only, where the outbound guard must let it through too."""
    return string(value) or redirects.fault(value, "web")


def https_url(value: Any) -> str | None:
    """An address that browsers are sent to: https only, at a host."""
    fault = string(value) or redirects.fault(value, "web")
    return fault or (None if value.startswith("https://") else "must be an https URL")


def one_of(*allowed: str) -> Kind:
    """One of these words."""
    return lambda value: None if value in allowed else f"must be one of {', '.join(allowed)}"


def some_of(*allowed: str) -> Kind:
    """A list of these words."""
    return lambda value: strings(value) or (None if set(value) <= set(allowed) else f"may hold {', '.join(allowed)}")
