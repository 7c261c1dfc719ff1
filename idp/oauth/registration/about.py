"""What a client is called and where people read about it (RFC 7591 §2); the texts may come in several languages (§2.2)."""

from __future__ import annotations

from idp.oauth.registration.face import Concern, page_url, strings, text

LOCALISED = frozenset({"client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"})
"""Members that may carry a language tag: `client_name#ja`."""

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
