"""Whether a client's tokens are bound to keys of its own (RFC 9449 §5.2)."""

from __future__ import annotations

from idp.oauth import response_types
from idp.oauth.registration.face import Concern, Metadata, flag, refuse

_BINDINGS = ("dpop_bound_access_tokens",)


def _check(metadata: Metadata) -> None:
    """A token in an authorization response goes to whoever gets it: nobody has proven a key there."""
    for name in _BINDINGS:
        if metadata.get(name) and any(map(response_types.returns_access_token, metadata["response_types"])):
            refuse(f"{name}: an authorization response cannot carry a bound access token")


SENDERS = Concern(dict.fromkeys(_BINDINGS, flag), _check)
