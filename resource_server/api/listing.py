"""v2's lists: `limit` and an opaque `page_token`. A page is found by the key it begins after, so the last costs what the first did."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import request

from resource_server.api.operation import Query
from resource_server.api.problems import Problem
from resource_server.platform.secret import Secret
from resource_server.platform.store import Row

DEFAULT, MOST = 20, 100
QUERY = (
    Query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT}, "how many at most"),
    Query("page_token", {"type": "string"}, "next_page_token of the page before"),
)
_PURPOSE = "page token"
_MAC = 16


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a list that is asked for: at most `limit`, after the key `after` (None: from the start)."""

    listing: str
    limit: int
    after: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A slice that was read: its rows, and the token of the next."""

    rows: Sequence[Row]
    token: str | None

    def page(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """As it is shown."""
        return {"items": list(items), "next_page_token": self.token}


class Listing:
    """Hands out page tokens and takes them back; one that was made up, or for another list, is a 400."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def asked(self, path: str, filters: Mapping[str, str]) -> Slice:
        """The slice of the list at `path` with these filters; raises 400."""
        named = json.dumps([path, sorted(filters.items())])
        listing = hashlib.sha256(named.encode()).hexdigest()[:16]
        token = request.args.get("page_token")
        return Slice(listing, _limit(), None if token is None else self._after(listing, token))

    def shown(
        self,
        tx: sa.Connection,
        query: sa.Select[Any],
        key: Any,
        part: Slice,
        show: Callable[[Sequence[Row]], list[dict[str, Any]]],
        *,
        newest_first: bool = True,
    ) -> dict[str, Any]:
        """That slice of what `query` finds, ordered by the unique column `key`."""
        found = self.found(tx, query, key, part, newest_first=newest_first)
        return found.page(show(found.rows))

    def found(
        self, tx: sa.Connection, query: sa.Select[Any], key: Any, part: Slice, *, newest_first: bool = True
    ) -> Found:
        """The same as rows, for who has more to ask before they are shown."""
        if part.after is not None:
            query = query.where(key < part.after if newest_first else key > part.after)
        rows = tx.execute(query.order_by(key.desc() if newest_first else key).limit(part.limit + 1)).all()
        page = rows[: part.limit]
        more = len(rows) > part.limit
        return Found(page, self._token(part.listing, str(page[-1]._mapping[key])) if more else None)

    def _token(self, listing: str, after: str) -> str:
        return base64.urlsafe_b64encode(self._macs(listing, after)[0] + after.encode()).decode().rstrip("=")

    def _after(self, listing: str, token: str) -> str:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            after = raw[_MAC:].decode("ascii")
        except (binascii.Error, ValueError) as error:
            raise _no_token() from error
        if not any(hmac.compare_digest(raw[:_MAC], mac) for mac in self._macs(listing, after)):
            raise _no_token()
        return after

    def _macs(self, listing: str, after: str) -> list[bytes]:
        """Ours first, then those that are accepted besides."""
        return [mac[:_MAC] for mac in self._secret.accepted(_PURPOSE, f"{listing} {after}".encode())]


def ids_query(name: str, whose: str) -> Query:
    """The filter of that name, which `ids` reads."""
    return Query(name, {"type": "string", "maxLength": 27 * MOST}, f"only {whose}, comma separated, at most {MOST}")


def ids(name: str, text: str) -> list[str]:
    """What such a filter names; raises 400 for too many."""
    named = text.split(",")
    if len(named) > MOST:
        raise Problem(400, "invalid_parameter", f"{name} are at most {MOST}.")
    return named


def _limit() -> int:
    text = request.args.get("limit", str(DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise Problem(400, "invalid_parameter", f"limit is a number from 1 to {MOST}.")
    return int(text)


def _no_token() -> Problem:
    return Problem(400, "invalid_page_token", "page_token is not one that this list gave out; begin without it.")
