"""What the identity provider told about a person, in words for that person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_STANDARD = (
    *("sub", "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username"),
    *("profile", "picture", "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale"),
    *("phone_number", "phone_number_verified", "address", "updated_at"),
)
"""In the order of OpenID Connect Core §5.1."""
_WORDS = {
    "sub": "Your number there",
    "preferred_username": "Sign-in name",
    "given_name": "First name",
    "middle_name": "Middle name",
    "family_name": "Last name",
    "profile": "Profile page",
    "zoneinfo": "Time zone",
    "locale": "Language",
    "email": "E-mail address",
    "email_verified": "E-mail address confirmed",
    "phone_number": "Phone number",
    "phone_number_verified": "Phone number confirmed",
    "updated_at": "Last changed",
}


def told(claims: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Of each claim its name, the word for it, and its value: those of the standard in its order, then all others by name."""
    others = sorted(claims.keys() - set(_STANDARD))
    for name in [*(one for one in _STANDARD if one in claims), *others]:
        yield name, _WORDS.get(name, name.replace("_", " ").capitalize()), _text(name, claims[name])


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "updated_at" and isinstance(value, int):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value.get("formatted", ", ".join(map(str, value.values())))) if isinstance(value, dict) else str(value)
