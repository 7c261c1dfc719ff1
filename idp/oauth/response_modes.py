"""Where an authorization response goes: parameters appended to a proven redirect URI, always with `iss` (RFC 9207)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode


def query(redirect_uri: str, parameters: Mapping[str, str | None]) -> str:
    """The redirect URI with these parameters; its own query is kept as it is (RFC 6749 §3.1.2)."""
    encoded = urlencode({name: value for name, value in parameters.items() if value is not None})
    if not encoded:
        return redirect_uri
    joint = "" if redirect_uri.endswith(("?", "&")) else "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{joint}{encoded}"
