"""What an app registers to hear of logouts: kept when it can be honoured, refused by name when not."""

from __future__ import annotations

from typing import Any

import pytest

from idp.errors import Refused
from idp.oauth import registration

WEB = {"redirect_uris": ["https://app.test/callback", "https://other.test:8443/cb"]}


def checked(**metadata: Any) -> dict[str, Any]:
    return registration.checked({**WEB, **metadata}, lambda _uri: False)


GOOD: list[dict[str, Any]] = [
    {"backchannel_logout_uri": "https://elsewhere.test/out?a=b", "backchannel_logout_session_required": True},
    {"backchannel_logout_uri": "http://127.0.0.1:9000/out", "backchannel_logout_session_required": False},
    {"backchannel_logout_session_required": True},
    {"frontchannel_logout_uri": "https://app.test/out?a=b", "frontchannel_logout_session_required": True},
    {"frontchannel_logout_uri": "https://APP.test:443/out", "frontchannel_logout_session_required": False},
    {"frontchannel_logout_uri": "https://other.test:8443/out"},
]
BAD: list[dict[str, Any]] = [
    *(
        {f"{channel}_logout_uri": uri}
        for channel in ("backchannel", "frontchannel")
        for uri in (
            "http://app.test/x",
            "https://app.test/x#y",
            "com.app://x",
            "/x",
            "",
            1,
            None,
            "javascript:alert(1)",
        )
    ),
    *(
        {f"{channel}_logout_session_required": value}
        for channel in ("backchannel", "frontchannel")
        for value in ("true", 1, 0, None, [])
    ),
    {"frontchannel_logout_uri": "https://elsewhere.test/out"},
    {"frontchannel_logout_uri": "https://app.test:8443/out"},
    {"frontchannel_logout_uri": "https://sub.app.test/out"},
]


@pytest.mark.parametrize("metadata", GOOD, ids=repr)
def test_what_can_be_honoured_is_kept(metadata: dict[str, Any]) -> None:
    assert metadata.items() <= checked(**metadata).items()


@pytest.mark.parametrize("metadata", BAD, ids=repr)
def test_what_cannot_be_honoured_is_refused_by_name(metadata: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        checked(**metadata)
    assert refused.value.code == "invalid_client_metadata"
    assert next(iter(metadata)) in refused.value.description
