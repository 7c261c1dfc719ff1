"""The snapshot that fills a new receiver: everybody, a page at a time, to whoever bears a receiver's token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idp.errors import ProtocolError
from idp.platform.forms import parse_query
from idp.platform.http import Answer, Call, json_answer
from idp.platform.outbox import Receivers

PATH = "/events/snapshot"
MAX_PAGE = 500
Page = Callable[[str, int], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class SnapshotEndpoint:
    """`page(after, limit)` gives the people behind `after` in the order of their `sub`."""

    receivers: Receivers
    page: Page

    def __call__(self, call: Call) -> Answer:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.receivers.authenticate(token.strip()):
            raise ProtocolError("invalid_token", "The token is not that of a receiver", status=401, challenge="Bearer")
        query = parse_query(call)
        limit = query.get("limit", str(MAX_PAGE))
        if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= MAX_PAGE):
            raise ProtocolError("invalid_request", f"limit is a number up to {MAX_PAGE}")
        people = self.page(query.get("after", ""), int(limit))
        following = people[-1]["sub"] if len(people) == int(limit) else None
        return json_answer({"users": list(people), "next": following})
