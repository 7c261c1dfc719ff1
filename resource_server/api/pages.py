"""v1's lists: `page`, `per_page`, `total`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import request

from resource_server.api.operation import Query
from resource_server.api.problems import Problem
from resource_server.platform.store import Row

MAX_PER_PAGE, MAX_PAGE = 100, 1_000_000
QUERY = (
    Query("page", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1}, "which page"),
    Query("per_page", {"type": "integer", "minimum": 1, "maximum": MAX_PER_PAGE, "default": 20}, "how many on one"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, the first being 1."""

    number: int
    size: int


def asked() -> Page:
    """The page that is asked for; raises 400."""
    return Page(_number("page", 1, MAX_PAGE), _number("per_page", 20, MAX_PER_PAGE))


def shown(
    tx: sa.Connection, query: sa.Select[Any], page: Page, show: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """That page of what `query` finds."""
    total = tx.execute(sa.select(sa.func.count()).select_from(query.order_by(None).subquery())).scalar_one()
    rows = tx.execute(query.limit(page.size).offset((page.number - 1) * page.size))
    return {"items": [show(row) for row in rows], "page": page.number, "per_page": page.size, "total": total}


def _number(name: str, default: int, largest: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and 1 <= int(text) <= largest):
        raise Problem(400, "invalid_parameter", f"{name} is a number from 1 to {largest}.")
    return int(text)
