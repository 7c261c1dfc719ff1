"""Clients and resources as values, made the way the program makes them: from checked metadata."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import settings

from idp.oauth import registration
from idp.oauth.clients import Client, client_of
from idp.oauth.resources import Resource

ISSUER = "https://idp.test"
API = Resource("https://api.test", "The API", {"read": "Read", "write": "Write"})
OTHER = Resource("https://other.test", "Another API", {"other": "Do other things", "read": "Read"})
RESOURCES = {resource.uri: resource for resource in (API, OTHER, Resource(ISSUER, ISSUER, {}))}

many = settings(deadline=None, max_examples=200)


def client(client_id: str = "app", **metadata: Any) -> Client:
    """A client of this metadata, as if it was registered and read back."""
    if "redirect_uris" not in metadata and "authorization_code" in metadata.get("grant_types", ["authorization_code"]):
        metadata["redirect_uris"] = ["https://app.test/cb"]
    document = registration.checked(metadata, RESOURCES.__contains__)
    row = SimpleNamespace(client_id=client_id, document=document, secrets=[], disabled=False)
    return client_of(cast(Any, row))
