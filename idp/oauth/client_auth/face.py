"""What every client authentication method is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from idp.oauth.clients import Client
from idp.platform.forms import Form
from idp.platform.http import Call


@dataclass(frozen=True, slots=True)
class Presented:
    """Which client a request claims to be, and its proof."""

    client_id: str
    proof: str


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """`present` says whether a request uses this method, `proves` whether it proves to be the client."""

    name: str
    present: Callable[[Call, Form], Presented | None]
    proves: Callable[[Client, Presented], bool]
