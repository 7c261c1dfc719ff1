"""How a client wants to hear that a session ended (OpenID Connect Back-Channel Logout §2.2, Front-Channel Logout §2)."""

from __future__ import annotations

from idp.oauth.redirects import origin_of
from idp.oauth.registration.face import Concern, Metadata, fetched_url, flag, refuse


def _check(metadata: Metadata) -> None:
    frame = metadata.get("frontchannel_logout_uri")
    known = {origin_of(uri) for uri in metadata.get("redirect_uris", ())} - {None}
    if frame is not None and origin_of(frame) not in known:
        refuse("frontchannel_logout_uri must have scheme, host and port of a registered redirect URI")


LOGOUT = Concern(
    {
        "backchannel_logout_uri": fetched_url,
        "backchannel_logout_session_required": flag,
        "frontchannel_logout_uri": fetched_url,
        "frontchannel_logout_session_required": flag,
    },
    _check,
)
"""Every logout token and every frame says the `sid`, so what a client requires is always there."""
