"""What of a contract was broken: clients of the old document that fail with the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]


def breaking(old: Document, new: Document) -> list[str]:
    """Each difference that breaks a client, in words; none when the new document keeps what the old one promised."""
    return [
        f"{method.upper()} {path}: {difference}"
        for path, item in old["paths"].items()
        for method, operation in item.items()
        for difference in _operation(operation, new["paths"].get(path, {}).get(method), old, new)
    ] + [f"webhook {name}: gone" for name in old.get("webhooks", {}) if name not in new.get("webhooks", {})]


def _operation(before: Document, after: Document | None, old: Document, new: Document) -> Iterator[str]:
    if after is None:
        yield "gone"
        return
    if after.get("security") != before.get("security"):
        yield "needs other scopes"
    yield from _parameters(before, after)
    yield from _body(before, after, old, new)
    for status, answer in before["responses"].items():
        if status not in after["responses"]:
            yield f"answers {status} no more"
        elif status.startswith("2"):
            shown = (_schema(answer), _schema(after["responses"][status]))
            yield from _narrower(*shown, old, new, f"{status} ", sent=False)


def _parameters(before: Document, after: Document) -> Iterator[str]:
    known = {(one["in"], one["name"]): one for one in before["parameters"]}
    there = {(one["in"], one["name"]): one for one in after["parameters"]}
    for where, name in known.keys() - there.keys():
        yield f"{where} {name} is gone"
    for (where, name), one in there.items():
        was = known.get((where, name))
        if one["required"] and (was is None or not was["required"]):
            yield f"{where} {name} is required now"
        if was is not None and was["schema"].get("type") != one["schema"].get("type"):
            yield f"{where} {name} is of another type"


def _body(before: Document, after: Document, old: Document, new: Document) -> Iterator[str]:
    was, now = before.get("requestBody"), after.get("requestBody")
    if was is None and now is not None:
        yield "needs a body now"
    if was is None:
        return
    if now is None or was["content"].keys() != now["content"].keys():
        yield "takes another kind of body"
        return
    yield from _narrower(_schema(was), _schema(now), old, new, "body ", sent=True)


def _schema(holder: Document) -> Document | None:
    found: Document | None = next((one["schema"] for one in holder.get("content", {}).values()), None)
    return found


def _narrower(
    before: Document | None, after: Document | None, old: Document, new: Document, where: str, *, sent: bool
) -> Iterator[str]:
    """`sent`: clients send it, so nothing more may be wanted; else they read it, so nothing may be missing."""
    if before is None or after is None:
        if before is not after:
            yield f"{where}has another content"
        return
    before, after = _resolved(before, old), _resolved(after, new)
    if _types(before) != _types(after):
        yield f"{where}is of another type"
        return
    was, now = before.get("properties", {}), after.get("properties", {})
    required = (set(before.get("required", ())), set(after.get("required", ())))
    yield from (f"{where}{name} is gone" for name in was.keys() - now.keys())
    lost = required[1] - required[0] if sent else required[0] - required[1]
    yield from (f"{where}{name} is {'required' if sent else 'optional'} now" for name in sorted(lost))
    if sent and set(before.get("enum", ())) - set(after.get("enum", before.get("enum", ()))):
        yield f"{where}takes fewer values"
    for name in was.keys() & now.keys():
        yield from _narrower(was[name], now[name], old, new, f"{where}{name} ", sent=sent)
    if "items" in before:
        yield from _narrower(before["items"], after.get("items"), old, new, f"{where}[] ", sent=sent)


def _resolved(schema: Document, document: Document) -> Document:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _types(schema: Document) -> list[str]:
    """The types it may have, in any order; a reference is an object."""
    options = schema.get("anyOf", [schema])
    return sorted("object" if "$ref" in one else str(one.get("type", "any")) for one in options)
