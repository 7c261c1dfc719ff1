"""v1's lists: `page`, `per_page`, `total`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request
from flask_sqlalchemy.pagination import Pagination

from resource_server.api.problems import Problem

MAX_PER_PAGE = 100


def asked() -> dict[str, Any]:
    """The page that is asked for; raises 400."""
    return {"page": _number("page", 1, 1_000_000), "per_page": _number("per_page", 20, MAX_PER_PAGE)}


def shown(found: Pagination, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """One page of a list."""
    return {
        "items": [show(one) for one in found.items],
        "page": found.page,
        "per_page": found.per_page,
        "total": found.total,
    }


def _number(name: str, default: int, largest: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and 1 <= int(text) <= largest):
        raise Problem(400, "invalid_parameter", f"{name} is a number from 1 to {largest}.")
    return int(text)
