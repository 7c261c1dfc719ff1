"""JSON as it leaves us: compact UTF-8."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

_any_size = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def compact(document: Mapping[str, Any]) -> bytes:
    """The document without white space, members in their order."""
    try:
        return orjson.dumps(document)
    except TypeError:  # numbers of more than 64 bits, which JSON allows and a claim may hold
        return _any_size(document).encode()
