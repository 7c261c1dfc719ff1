"""The logos of clients, served from our own origin: fetched by the vetted fetcher, judged by their bytes, cached.

Pictures made of pixels only: an SVG is a document with scripts and links. Whatever a host says of its type is not believed.
"""

from __future__ import annotations

from dataclasses import dataclass

from idp.clock import Clock
from idp.errors import ProtocolError
from idp.oauth.fetched import Fetch, Fetched, Limits
from idp.oauth.subjects import FindClient
from idp.platform import pictures
from idp.platform.forms import parse_query
from idp.platform.http import Answer, Call
from vetted_http import Response

PATH = "/logo"
MAX_BYTES = 256 * 1024
_LIMITS = Limits(fresh=3600, stale=86400, retry=60, kept=64, waiting=8)
_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture and what its bytes say it is."""

    body: bytes
    media_type: str


class LogoEndpoint:
    """The registered logo of a client, whoever asks: it is on the public login page."""

    def __init__(self, find_client: FindClient, fetch: Fetch, clock: Clock) -> None:
        self._find_client = find_client
        self._logos = Fetched(fetch, read, clock, _LIMITS)

    def __call__(self, call: Call) -> Answer:
        client = self._find_client(parse_query(call).get("client_id", ""))
        uri = client.metadata.get("logo_uri") if client and not client.disabled else None
        logo = self._logos.current(uri) if uri else None
        if logo is None:
            raise ProtocolError("not_found", "There is no logo", status=404)
        return Answer(200, logo.body, {"Content-Type": logo.media_type, **_HEADERS})


def read(response: Response) -> Logo:
    """The picture of a response; raises `ValueError` for anything else."""
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    media_type = pictures.media_type(response.body)
    if media_type is None:
        raise ValueError("not a picture")
    return Logo(response.body, media_type)
