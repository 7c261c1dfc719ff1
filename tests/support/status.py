"""Status lists as an API reads them: fetched from where a token points, verified with the published keys, and looked up."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable
from typing import Any

import jwt
import requests

from tests.support.flows import claims


def place_of(token: str) -> tuple[str, int]:
    """The list and the index that an access token names."""
    place = claims(token)["status"]["status_list"]
    return place["uri"], place["idx"]


def fetch(uri: str, issuer: str, base: str | None = None) -> dict[str, Any]:
    """The claims of a list, its signature checked; `base` is another node to ask than the issuer's."""
    response = requests.get(uri.replace(issuer, base or issuer), timeout=30)
    assert response.status_code == 200, response.text
    keys = jwt.PyJWKSet(requests.get(f"{base or issuer}/oauth/jwks", timeout=30).json()["keys"])
    header = jwt.get_unverified_header(response.text)
    assert header.keys() == {"typ", "alg", "kid"}
    assert header["typ"] == "statuslist+jwt"
    found: dict[str, Any] = jwt.decode(response.text, keys[header["kid"]].key, algorithms=["ES256"], issuer=issuer)
    assert found["sub"] == uri
    return found


def is_revoked(token: str, base: str | None = None) -> bool:
    """Whether the list says that a token is revoked: bit 0 of a byte is the first (draft-21 §4.1)."""
    uri, index = place_of(token)
    listed = fetch(uri, claims(token)["iss"], base)["status_list"]
    assert listed["bits"] == 1
    raw = zlib.decompress(base64.urlsafe_b64decode(listed["lst"] + "=" * (-len(listed["lst"]) % 4)))
    assert len(raw) == 131_072 // 8
    return bool(raw[index // 8] >> index % 8 & 1)


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
