"""The checks of one deployment: what it offers, and what has to be looked up elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from idp.oauth.registration import checked
from idp.oauth.sectors import Fetch, check_document

_NOTHING: Mapping[str, Any] = {}
_SECTOR = ("sector_identifier_uri", "redirect_uris")


@dataclass(frozen=True, slots=True)
class Rules:
    """What metadata must fit here. `fetch` gets documents that clients name: never call it within a transaction."""

    is_resource: Callable[[str], bool]
    response_types: Collection[str]
    auth_methods: Collection[str]
    fetch: Fetch

    def checked(self, document: Mapping[str, Any], had: Mapping[str, Any] = _NOTHING) -> dict[str, Any]:
        """The metadata with its defaults; raises `Refused`. What it `had` and keeps is not fetched again."""
        metadata = checked(document, self.is_resource, offered=self.response_types, auth_methods=self.auth_methods)
        if any(metadata.get(name) != had.get(name) for name in _SECTOR):
            check_document(metadata, self.fetch)
        return metadata
