"""Authorization details as they are sent: a JSON array of typed objects, bounded, and harmless to show (RFC 9396 §2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from idp.errors import ProtocolError
from idp.platform.forms import parse_json

Entry = Mapping[str, Any]
IDENTITY = "authorization_id"
"""What we add to an entry that is good once, so that an API knows it again in every token of its grant (RFC 9396 §7.1)."""
MAX_LENGTH, MAX_ENTRIES, MAX_DEPTH, MAX_TEXT = 4096, 8, 8, 512
_MAX_INTEGER = 2**53 - 1
_LISTS = ("locations", "actions", "datatypes", "privileges")
_MISLEADING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of the text around them."""


def invalid(description: str) -> ProtocolError:
    """RFC 9396 §5, §6: the details cannot be honoured as they are."""
    return ProtocolError("invalid_authorization_details", description)


def parse(text: str) -> tuple[Entry, ...]:
    """The entries of the parameter, in the order they were sent; raises `invalid_authorization_details`."""
    if len(text) > MAX_LENGTH:
        raise invalid("authorization_details is too long")
    try:
        document = parse_json(text)
    except ProtocolError as error:
        raise invalid("authorization_details is not acceptable JSON") from error
    if not isinstance(document, list) or not 0 < len(document) <= MAX_ENTRIES:
        raise invalid(f"authorization_details is an array of 1 to {MAX_ENTRIES} objects")
    for entry in document:
        _check(entry)
    return tuple(document)


def _check(entry: Any) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise invalid("Each of the authorization_details is an object with a type")
    for name in _LISTS:
        if name in entry and not _are_texts(entry[name]):
            raise invalid(f"{name} is an array of strings")
    if "identifier" in entry and not isinstance(entry["identifier"], str):
        raise invalid("identifier is a string")
    if not all(map(_is_harmless, leaves(entry, MAX_DEPTH))):
        raise invalid("authorization_details has a value that is too long, too large or cannot be shown")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)


def leaves(value: Any, levels: int) -> Iterator[Any]:
    """Every name and plain value within a document; raises `invalid_authorization_details` beyond so many levels."""
    if not isinstance(value, (dict, list)):
        yield value
        return
    if levels == 0:
        raise invalid("authorization_details is nested too deeply")
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value:
        yield from leaves(inner, levels - 1)


def _is_harmless(leaf: Any) -> bool:
    if isinstance(leaf, str):
        return len(leaf) <= MAX_TEXT and not _MISLEADING.search(leaf)
    if isinstance(leaf, int):
        return abs(leaf) <= _MAX_INTEGER
    return True


def without_identity(entry: Entry) -> Entry:
    """The entry as a client writes it."""
    return {name: value for name, value in entry.items() if name != IDENTITY}
