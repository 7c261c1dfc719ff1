"""JSON as it leaves us: compact UTF-8."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

_any_size = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact(document: Mapping[str, Any]) -> bytes:
    """The document without white space, members in their order."""
    try:
        return orjson.dumps(document)
    except TypeError:  # numbers of more than 64 bits, which JSON allows and a claim may hold
        return _any_size(document).encode()


def shallow(value: Any) -> dict[str, Any]:
    """What a dataclass of JSON values says, by name; `asdict` would copy all that is in it."""
    return {one.name: getattr(value, one.name) for one in fields(value)}
