"""The standard OpenID claims of a person: which there are, what type each has, and their values (OpenID Connect Core §5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from idp.errors import Refused
from idp.users.people import Person

MAX_TEXT = 512
_DATE = re.compile(r"(\d{4}|0000)(-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?\Z")
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*\Z")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*\Z")
_PHONE = re.compile(r"\+[0-9][0-9 ().;=a-z-]{3,40}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_BROKEN = re.compile(r"[\x00\ud800-\udfff]")
_ADDRESS_PARTS = frozenset({"formatted", "street_address", "locality", "region", "postal_code", "country"})


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and not _CONTROL.search(value)


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: _text(value) and pattern.match(value) is not None


def _url(value: Any) -> bool:
    try:
        return _text(value) and urlsplit(value).scheme in {"http", "https"} and bool(urlsplit(value).netloc)
    except ValueError:  # brackets around no address
        return False


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _address(value: Any) -> bool:
    if not isinstance(value, dict) or not value or not value.keys() <= _ADDRESS_PARTS:
        return False
    return all(
        isinstance(part, str) and 0 < len(part) <= MAX_TEXT and not _BROKEN.search(part) for part in value.values()
    )


STORED: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "given_name", "family_name", "middle_name", "nickname", "gender"), _text),
    **dict.fromkeys(("profile", "picture", "website"), _url),
    "birthdate": _matching(_DATE),
    "zoneinfo": _matching(_ZONE),
    "locale": _matching(_LOCALE),
    "phone_number": _matching(_PHONE),
    "phone_number_verified": _flag,
    "address": _address,
}
"""The claims kept as they are, with the test their values must pass."""

_DERIVED: Mapping[str, Callable[[Person], Any]] = {
    "sub": lambda person: person.sub,
    "preferred_username": lambda person: person.username,
    "updated_at": lambda person: person.updated_at,
    "email": lambda person: person.email,
    "email_verified": lambda person: person.email_verified if person.email else None,
    "roles": lambda person: list(person.roles),
}


def check(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims, when every one is known and has a fitting value; raises `Refused`."""
    for name, value in claims.items():
        if name not in STORED:
            raise Refused("claim", f"{name[:64]} is not a standard claim that can be set")
        if not STORED[name](value):
            raise Refused("claim", f"the value of {name} does not fit")
    return dict(claims)


def claim_values(person: Person, names: Iterable[str]) -> dict[str, Any]:
    """The person's values of these claims; those without a value are left out (OpenID Connect Core §5.3.2)."""
    values = {name: _DERIVED[name](person) if name in _DERIVED else person.claims.get(name) for name in names}
    if "phone_number" not in person.claims:
        values.pop("phone_number_verified", None)
    return {name: value for name, value in values.items() if value is not None}
