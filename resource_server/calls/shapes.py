"""The messages and methods of `shop.proto`, read from that very file: nothing is generated, so nothing can differ from it.

It reads as much of the language as the file uses: messages of scalar, message, optional and repeated fields, and unary methods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

FILE = Path(__file__).with_name("shop.proto")
_COMMENT = re.compile(r"//.*")
_PACKAGE = re.compile(r"package\s+([\w.]+);")
_BLOCK = re.compile(r"(message|service)\s+(\w+)\s*\{(.*?)\}", re.DOTALL)
_FIELD = re.compile(r"(?:(optional|repeated)\s+)?(\w+)\s+(\w+)\s*=\s*(\d+);")
_METHOD = re.compile(r"rpc\s+(\w+)\((\w+)\)\s+returns\s+\((\w+)\);")
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "bool": _Field.TYPE_BOOL,
}


@dataclass(frozen=True, slots=True)
class Method:
    """A unary method: its path on the wire, and the classes of what is asked and answered."""

    path: str
    asked: type[Message]
    answered: type[Message]


@dataclass(frozen=True, slots=True)
class Shapes:
    """What the file describes: methods by path, the names of its services, and the pool that knows them, for reflection."""

    methods: Mapping[str, Method]
    services: tuple[str, ...]
    pool: descriptor_pool.DescriptorPool


@cache
def shapes() -> Shapes:
    """The file, read once."""
    return shapes_of(FILE.read_text("utf-8"))


def shapes_of(source: str) -> Shapes:
    """What such a file describes."""
    described = parsed(source)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described)
    methods = {}
    for service in described.service:
        for method in service.method:
            path = f"/{described.package}.{service.name}/{method.name}"
            asked, answered = (
                message_factory.GetMessageClass(pool.FindMessageTypeByName(name.removeprefix(".")))
                for name in (method.input_type, method.output_type)
            )
            methods[path] = Method(path, asked, answered)
    services = tuple(f"{described.package}.{service.name}" for service in described.service)
    return Shapes(methods, services, pool)


def parsed(source: str) -> descriptor_pb2.FileDescriptorProto:
    """What a compiler would make of it."""
    text = _COMMENT.sub("", source)
    package = _PACKAGE.search(text)
    assert package is not None, "the file has a package"
    described = descriptor_pb2.FileDescriptorProto(name=FILE.name, package=package.group(1), syntax="proto3")
    for kind, name, body in _BLOCK.findall(text):
        if kind == "message":
            described.message_type.append(_message(name, body, described.package))
        else:
            described.service.append(_service(name, body, described.package))
    return described


def _message(name: str, body: str, package: str) -> descriptor_pb2.DescriptorProto:
    message = descriptor_pb2.DescriptorProto(name=name)
    for label, kind, field, number in _FIELD.findall(body):
        added = message.field.add(name=field, number=int(number), json_name=_camel(field))
        added.label = _Field.LABEL_REPEATED if label == "repeated" else _Field.LABEL_OPTIONAL
        if kind in _SCALARS:
            added.type = _SCALARS[kind]
        else:
            added.type, added.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"
        if label == "optional":  # presence of a scalar: a group of its own, as proto3 writes it down
            added.proto3_optional, added.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field}")
    return message


def _service(name: str, body: str, package: str) -> descriptor_pb2.ServiceDescriptorProto:
    service = descriptor_pb2.ServiceDescriptorProto(name=name)
    for method, asked, answered in _METHOD.findall(body):
        service.method.add(name=method, input_type=f".{package}.{asked}", output_type=f".{package}.{answered}")
    return service


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def to_message(document: Mapping[str, Any], kind: type[Message]) -> Message:
    """A document of the API as a message; members that the message does not know are left out. Raises `ValueError`."""
    try:
        return json_format.ParseDict(dict(document), kind(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error


def to_document(message: Message, *, absent: bool) -> dict[str, Any]:
    """A message as a document of the API; `absent`: whether what is not there is null, as in answers, or left out, as in requests."""
    return dict(_members(message, absent))


def _members(message: Any, absent: bool) -> Iterator[tuple[str, Any]]:
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            yield field.name, [_plain(one, absent) for one in value]
        elif not field.has_presence or message.HasField(field.name):
            yield field.name, _plain(value, absent)
        elif absent:
            yield field.name, None


def _plain(value: Any, absent: bool) -> Any:
    return to_document(value, absent=absent) if isinstance(value, Message) else value
