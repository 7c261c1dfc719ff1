"""What a client is called and where people read about it (RFC 7591 §2); the texts may come in several languages (§2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from idp.oauth.registration.face import Concern, page_url, strings, text

LOCALISED = frozenset({"client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"})
"""Members that may carry a language tag: `client_name#ja`."""


def in_language(metadata: Mapping[str, Any], name: str, languages: Iterable[str]) -> Any:
    """A text of the client in the first of these languages that it has, else the one without a tag; None when there is neither."""
    tagged = {
        tag.lower(): value
        for member, value in metadata.items()
        for bare, _, tag in (member.partition("#"),)
        if bare == name
    }
    for language in map(str.lower, languages):
        kin = [tag for tag in tagged if tag.partition("-")[0] == language.partition("-")[0]]
        if kin:
            return tagged[language if language in kin else kin[0]]
    return tagged.get("")


ABOUT = Concern(
    {
        "client_name": text,
        "client_uri": page_url,
        "logo_uri": page_url,
        "policy_uri": page_url,
        "tos_uri": page_url,
        "contacts": strings,
        "software_id": text,
        "software_version": text,
    }
)
