"""Sectors: which clients see the same pairwise subject identifier of a person (OpenID Connect Core §8.1, Registration §5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from idp.errors import ProtocolError, Refused
from idp.platform.forms import parse_json
from vetted_http import FetchError, Response

Fetch = Callable[[str], Response]


def sector_of(metadata: Mapping[str, Any]) -> str | None:
    """The host that a client with pairwise subjects belongs to; None for one that sees the public `sub`."""
    if metadata.get("subject_type") != "pairwise":
        return None
    uri = metadata.get("sector_identifier_uri")
    return _only_host([uri] if uri else metadata.get("redirect_uris", ())) or ""


def check_document(metadata: Mapping[str, Any], fetch: Fetch) -> None:
    """What the client says of its sector must be what the sector says: the document there lists every redirect URI; raises `Refused`."""
    uri = metadata.get("sector_identifier_uri")
    if uri is None:
        return
    try:
        response = fetch(uri)
        listed = parse_json(response.body) if response.status == 200 else None
    except (FetchError, ProtocolError) as error:
        raise _refused("cannot be fetched as a JSON document", str(error)) from error
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise _refused("must hold a JSON array of redirect URIs", f"status {response.status}")
    if not set(metadata.get("redirect_uris", ())) <= set(listed):
        raise _refused("does not list every redirect URI of the client", "")


def _refused(description: str, detail: str) -> Refused:
    return Refused("invalid_client_metadata", f"sector_identifier_uri {description}", detail=detail)


def _only_host(uris: Any) -> str | None:
    hosts = {urlsplit(uri).hostname for uri in uris}
    return hosts.pop() if len(hosts) == 1 else None
