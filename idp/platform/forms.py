"""Strict readers of what strangers send: forms, query strings and JSON, all bounded, all refused with a standard error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload
from urllib.parse import unquote_to_bytes

from idp.errors import ProtocolError
from idp.platform.http import Call

_Default = TypeVar("_Default")

MAX_BODY = 64 * 1024
MAX_URL = 8 * 1024
MAX_FIELDS = 64
MAX_JSON_DEPTH = 32
FORM = "application/x-www-form-urlencoded"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PLAIN = re.compile(rb"[A-Za-z0-9._~:/-]*\Z")
_PLAIN_FORM = re.compile(rb"[A-Za-z0-9._~:/=&-]*\Z")


class Form(Mapping[str, str]):
    """Decoded parameters. Each occurs once, except those that were allowed to repeat; an empty value counts as absent (RFC 6749 §3.1)."""

    __slots__ = ("_repeated", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]], repeatable: frozenset[str] = frozenset()) -> None:
        self._values: dict[str, str] = {}
        self._repeated: dict[str, tuple[str, ...]] = {}
        for name, value in pairs:
            if name in repeatable:
                self._repeated[name] = (*self._repeated.get(name, ()), value) if value else self._repeated.get(name, ())
            elif name in self._values:
                raise ProtocolError("invalid_request", "A parameter is repeated")
            else:
                self._values[name] = value
        if "" in self._values.values():
            self._values = {name: value for name, value in self._values.items() if value}

    # `Mapping` finds out what is missing by raising; every request asks for many parameters that are not there.

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: _Default) -> str | _Default: ...
    def get(self, name: str, default: object = None) -> object:
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter that may repeat."""
        return self._repeated.get(name, ())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every name with each of its values."""
        yield from self._values.items()
        for name, values in self._repeated.items():
            yield from ((name, value) for value in values)

    def require(self, name: str) -> str:
        """The value; raises `invalid_request` when it is missing."""
        value = self._values.get(name)
        if value is None:
            raise ProtocolError("invalid_request", f"The parameter {name} is missing")
        return value


def parse_form(call: Call, *, repeatable: frozenset[str] = frozenset()) -> Form:
    """The body of a form post; raises `invalid_request` for another media type or anything malformed."""
    media_type = call.headers.get("content-type", "")
    if media_type != FORM and media_type.partition(";")[0].strip().lower() != FORM:
        raise ProtocolError("invalid_request", f"The body must be {FORM}")
    return Form(decode_pairs(call.body), repeatable)


def parse_query(call: Call, *, repeatable: frozenset[str] = frozenset()) -> Form:
    """The query string; raises `invalid_request` for anything malformed."""
    return Form(decode_pairs(call.query), repeatable)


def decode_pairs(raw: bytes) -> list[tuple[str, str]]:
    """Names and values of form-urlencoded bytes; raises `invalid_request`."""
    fields = raw.split(b"&") if raw else []
    if len(fields) > MAX_FIELDS:
        raise ProtocolError("invalid_request", "There are too many parameters")
    if _PLAIN_FORM.match(raw):
        plain = (field.partition("=") for field in raw.decode("ascii").split("&") if field)
        return [(name, value) for name, _, value in plain]
    split = (field.partition(b"=") for field in fields if field)
    return [(decode_component(name), decode_component(value)) for name, _, value in split]


def decode_component(raw: bytes) -> str:
    """One form-urlencoded name or value as UTF-8 text without control characters; raises `invalid_request`."""
    if _PLAIN.match(raw):
        return raw.decode("ascii")
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("invalid_request", "A parameter is not UTF-8") from error
    if _CONTROL.search(text):
        raise ProtocolError("invalid_request", "A parameter has control characters")
    return text


def check_text(text: str) -> str:
    """The text itself, when it could have been a parameter: UTF-8 without control characters; raises `invalid_request`."""
    if _CONTROL.search(text) or any("\ud800" <= character <= "\udfff" for character in text):
        raise ProtocolError("invalid_request", "A parameter has control characters or is not UTF-8")
    return text


def parse_json(raw: bytes | str) -> Any:
    """A JSON document of bounded depth without duplicate names, NaN or lone surrogates; raises `invalid_request`."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        _refuse_depth(text)
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ProtocolError("invalid_request", "The document is not acceptable JSON") from error
    return document


def _refuse_depth(text: str) -> None:
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text):
        bracket = match.group()
        if bracket in "[{":
            depth += 1
            if depth > MAX_JSON_DEPTH:
                raise ValueError("too deep")
        elif bracket in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is repeated")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
