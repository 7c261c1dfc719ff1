"""What the identity provider tells of people, taken over into the copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resource_server.api.events import Unacceptable
from resource_server.users.copy import UserCopies

EVENT = "urn:idp:event:user."


class UserEvents:
    """Listens to the events of people."""

    def __init__(self, copies: UserCopies) -> None:
        self._copies = copies

    def __call__(self, name: str, event: Any) -> None:
        if name.startswith(EVENT):
            self._copies.apply(_facts(event), gone=name == f"{EVENT}deleted")


def _facts(event: Any) -> Mapping[str, Any]:
    user = event.get("user") if isinstance(event, dict) else None
    if not isinstance(user, dict) or not isinstance(user.get("sub"), str) or not isinstance(user.get("version"), int):
        raise Unacceptable("invalid_request", "The event does not say whom it is about")
    return user
