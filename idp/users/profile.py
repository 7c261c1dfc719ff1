"""What people may say of themselves, and the rules for it: those of `claims`, and stricter ones where a person types instead of an operator."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from idp.errors import Refused
from idp.marked import N_
from idp.users import claims

TEXTS = (
    "name",
    "given_name",
    "middle_name",
    "family_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
)
ADDRESS = ("street_address", "locality", "region", "postal_code", "country")
_LEAP_YEAR = 2000
_ANY_YEAR = "0000"
_SENTENCES: Mapping[str, str] = {
    **dict.fromkeys(("profile", "picture", "website"), N_("a web address begins with https://")),
    "birthdate": N_("write your birthday as 1990-12-31, as 1990, or without the year as 0000-12-31"),
    "zoneinfo": N_("this time zone is not known: write it like Europe/Berlin"),
    "locale": N_("this language is not known"),
    "phone_number": N_("write your phone number with + and the code of its country, like +49 30 123456"),
}
_TOO_LONG = N_("this is too long, or holds characters that cannot be shown")


def changed(before: Mapping[str, Any], typed: Mapping[str, str], *, today: date) -> dict[str, Any]:
    """The claims after what was typed; raises `Refused` whose code is the field that does not fit.

    Empty fields are taken away and fields that were not sent stay. Another phone number is not a verified one; an address that was changed
    loses the `formatted` form that an operator gave it.
    """
    after = dict(before)
    for name in TEXTS:
        if name in typed:
            _put(after, name, typed[name].strip(), before, today)
    if after.get("phone_number") != before.get("phone_number"):
        after.pop("phone_number_verified", None)
    _put_address(after, typed)
    return after


def _put(after: dict[str, Any], name: str, value: str, before: Mapping[str, Any], today: date) -> None:
    if not value:
        after.pop(name, None)
    elif value != before.get(name):
        if not claims.STORED[name](value) or not _fits(name, value, today):
            raise Refused(name, _SENTENCES.get(name, _TOO_LONG))
        after[name] = value


def _put_address(after: dict[str, Any], typed: Mapping[str, str]) -> None:
    old = after.get("address", {})
    parts = {part: _lines(typed.get(f"address_{part}", old.get(part, ""))) for part in ADDRESS}
    new = {part: value for part, value in parts.items() if value}
    if new == {part: value for part, value in old.items() if part != "formatted"}:
        return
    for part, value in new.items():
        if not claims.STORED["address"]({part: value}):
            raise Refused(f"address_{part}", _TOO_LONG)
    after.pop("address", None)
    if new:
        after["address"] = new


def _lines(text: str) -> str:
    """Lines as JSON has them: browsers send two characters at the end of each."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _fits(name: str, value: str, today: date) -> bool:
    rule = _RULES.get(name)
    return rule is None or rule(value, today)


def _is_https(value: str, _today: date) -> bool:
    parts = urlsplit(value)
    return parts.scheme == "https" and bool(parts.hostname) and not parts.username and not re.search(r"\s", value)


def _is_birthdate(value: str, today: date) -> bool:
    """`YYYY`, `YYYY-MM-DD`, or `0000-MM-DD` for who keeps the year to themselves; a day that there is and that has come."""
    year, _, day = value.partition("-")
    if year == _ANY_YEAR:
        return bool(day) and _day(f"{_LEAP_YEAR}-{day}") is not None
    found = _day(value if day else f"{year}-01-01")
    return found is not None and found <= today


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _is_zone(value: str, _today: date) -> bool:
    """Whether this machine knows the time zone; one that knows none at all takes any that looks like one."""
    known = zoneinfo.available_timezones()
    return not known or value in known


_RULES: Mapping[str, Callable[[str, date], bool]] = {
    **dict.fromkeys(("profile", "picture", "website"), _is_https),
    "birthdate": _is_birthdate,
    "zoneinfo": _is_zone,
}
