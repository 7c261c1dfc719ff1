"""`Prefer: wait=5` (RFC 7240 §4.3): the caller would rather wait a little than ask again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from flask import Response, request

from resource_server.platform import deadlines

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,4})\"?\s*(?:[,;]|$)", re.IGNORECASE)
_STEP = 0.05
MOST = 10
_Seen = TypeVar("_Seen")


def wait() -> int:
    """For how many seconds the caller would wait; 0 where nothing is said, at most 10."""
    found = _WAIT.search(",".join(request.headers.getlist("Prefer")))
    return min(int(found.group(1)), MOST) if found else 0


def until(look: Callable[[], _Seen], done: Callable[[_Seen], bool], *, seconds: float) -> _Seen:
    """What `look` sees once it is `done`, or when the time is over, the caller's too. Holds nothing while it waits."""
    end = time.monotonic() + deadlines.left(seconds)
    while not done(seen := look()) and time.monotonic() < end:
        time.sleep(_STEP)
    return seen


def applied(response: Response, seconds: int) -> Response:
    """Say that the wish was heard (§3)."""
    if seconds:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    response.headers.add("Vary", "Prefer")
    return response
