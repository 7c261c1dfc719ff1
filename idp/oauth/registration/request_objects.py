"""Whether and how a client packs its requests into objects (OpenID Connect Registration §2, RFC 9101 §10.5)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urldefrag

from idp.oauth.profiles import PROFILES
from idp.oauth.registration.face import Concern, Metadata, fetched_url, flag, one_of, refuse, strings
from idp.oauth.request_objects import ALGORITHMS, MAX_URI, NONE


def _request_uris(value: Any) -> str | None:
    """Addresses of request objects, with or without a fragment (Core §6.2)."""
    fault = strings(value)
    if fault is not None:
        return fault
    if any(len(uri) > MAX_URI for uri in value):
        return f"have at most {MAX_URI} characters each"
    return next(filter(None, (fetched_url(urldefrag(uri).url) for uri in value)), None)


def _check(metadata: Metadata) -> None:
    """What a client announces it must be able to do."""
    alg, must_sign = metadata.get("request_object_signing_alg"), metadata.get("require_signed_request_object", False)
    if alg == NONE and (must_sign or not PROFILES[metadata["security_profile"]].unsigned_request_objects):
        refuse("request_object_signing_alg none is not for a client that must sign")
    if (must_sign or alg not in (None, NONE)) and not {"jwks", "jwks_uri"} & metadata.keys():
        refuse("signed request objects need jwks or jwks_uri")


REQUEST_OBJECTS = Concern(
    {
        "request_object_signing_alg": one_of(*ALGORITHMS),
        "request_uris": _request_uris,
        "require_signed_request_object": flag,
    },
    _check,
)
