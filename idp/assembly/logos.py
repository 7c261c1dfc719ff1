"""The logos of clients, on our own origin."""

from __future__ import annotations

from idp.oauth.endpoints.logo import MAX_BYTES, PATH, LogoEndpoint
from idp.platform.web import Route
from idp.wiring import House
from vetted_http import Client as OutboundHttp


def logo_route(house: House) -> Route:
    """A fetcher of its own: pictures are larger than documents."""
    settings = house.settings
    http = OutboundHttp(allow=settings.outbound_allow, ca_file=settings.outbound_ca_file, max_bytes=MAX_BYTES)
    return Route(PATH, LogoEndpoint(house.client_directory.get, http.get, house.clock), frozenset({"GET"}))
