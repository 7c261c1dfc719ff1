"""JSON schemas of details types (draft 2020-12), through `jsonschema`: loaded where a type is registered or used, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class BadSchema(Exception):
    """A schema that is none, or that refers to what is not in it."""


def compiled(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    """Whether a value fits the schema; nothing is ever fetched. Raises `BadSchema`."""
    if schema.get("$schema", DIALECT) != DIALECT:
        raise BadSchema(f"the schema is not of {DIALECT}")
    try:
        Draft202012Validator.check_schema(schema)
        resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).crawl().resolver()
        for reference in _references(schema):
            resolver.lookup(reference)
    except (SchemaError, Unresolvable) as error:
        raise BadSchema(str(error).partition("\n")[0]) from error
    validator = Draft202012Validator(schema, registry=Registry())

    def fits(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except RecursionError:  # a schema that refers to itself without end fits nothing
            return False

    return fits


def _references(schema: Any) -> Iterator[str]:
    for name, inner in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name in ("$ref", "$dynamicRef") and isinstance(inner, str):
            yield inner
        elif isinstance(inner, (dict, list)):
            yield from _references(inner)
