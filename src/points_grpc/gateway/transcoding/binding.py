"""How the HTTP routes of a method carry its request, from its google.api.http annotation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from points_grpc.gateway.errors import Problem
from points_grpc.gateway.request import Query
from points_grpc.gateway.router import names_in
from points_grpc.gateway.transcoding.parsing import from_json

WHOLE = "*"
"""A `body` of this is the whole request but for what the path holds."""

SIMPLE = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Timestamp", "Duration", "FieldMask", "BoolValue", "BytesValue", "StringValue"),
        *("DoubleValue", "FloatValue", "Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
    )
)
"""Messages that a query parameter can be, since JSON writes them as one value."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One HTTP route of a method.

    `names` are the fields that the path holds; `body` the field that the body is, WHOLE for all
    of them, "" for none (they are then query parameters).
    """

    method: MethodDescriptor
    verb: str
    path: str
    names: tuple[str, ...]
    body: str

    def request(self, path: Mapping[str, str], query: Query, body: Any) -> Message:
        """The request that a call carries. Raises Problem."""
        descriptor = self.method.input_type
        message = GetMessageClass(descriptor)()
        if self.body == WHOLE:
            from_json(body, message)
            for name, _ in query:
                raise Problem(name, "belongs into the body")
        else:
            given = query_json(descriptor, query)
            if self.body:
                given[self.body] = body
            from_json(given, message)
        for name in self.names:
            _put_path_value(message, name, path[name])
        return message


def bindings(method: MethodDescriptor) -> Iterator[Binding]:
    """The routes of a method. Raises ValueError for annotations that are not understood here."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    for one in (rule, *rule.additional_bindings):
        yield _binding(method, one)


def _binding(method: MethodDescriptor, rule: http_pb2.HttpRule) -> Binding:
    verb = rule.WhichOneof("pattern")
    path = getattr(rule, verb) if verb not in (None, "custom") else ""
    names = names_in(path)
    fields = method.input_type.fields_by_name
    plain = path.count("{") == len(names) and "*" not in path and not rule.response_body
    if not path or not plain or not {*names} <= {*fields}:
        raise ValueError(f"{method.full_name}: cannot serve {path or 'nothing'}")
    return Binding(method, str(verb).upper(), path, names, rule.body)


def _put_path_value(message: Message, name: str, text: str) -> None:
    """Set a field to what the path says, unless the rest of the call says something else."""
    alone = type(message)()
    from_json({name: text}, alone)
    value = getattr(alone, name)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.containing_oneof is None:
        given = name if getattr(message, name) != field.default_value else None
    else:
        given = message.WhichOneof(field.containing_oneof.name)
    if given is not None and (given != name or getattr(message, name) != value):
        raise Problem(given, f"is not what the path says ({name})")
    setattr(message, name, value)


def query_json(descriptor: Descriptor, query: Query) -> dict[str, Any]:
    """Query parameters as the JSON of a message. Raises Problem."""
    found: dict[str, Any] = {}
    for name, text in query:
        *steps, last = _path_to(descriptor, name)
        inner = found
        for step in steps:
            inner = inner.setdefault(step.name, {})
        value = _value(last, text, name)
        if last.is_repeated:
            inner.setdefault(last.name, []).append(value)
        elif last.name in inner:
            raise Problem(name, "must not be given more than once")
        else:
            inner[last.name] = value
    return found


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    named = {field.name: field for field in descriptor.fields}
    return named | {field.json_name: field for field in descriptor.fields}


def _path_to(descriptor: Descriptor, name: str) -> list[FieldDescriptor]:
    """The fields that a dotted name leads through, the last one a single value."""
    steps: list[FieldDescriptor] = []
    inside: Descriptor | None = descriptor
    for part in name.split("."):
        field = None if inside is None else _fields(inside).get(part)
        if field is None or (steps and steps[-1].is_repeated):
            raise Problem(name[:256], "is not a parameter of this call")
        steps.append(field)
        inside = field.message_type
        if inside is not None and inside.full_name in SIMPLE:
            inside = None
    if inside is not None:
        raise Problem(name[:256], "must be given field by field, such as member.externalId")
    return steps


def _value(field: FieldDescriptor, text: str, name: str) -> Any:
    kind = field.message_type
    is_bool = field.cpp_type == FieldDescriptor.CPPTYPE_BOOL
    if not is_bool and (kind is None or kind.full_name != "google.protobuf.BoolValue"):
        return text
    if text not in ("true", "false"):
        raise Problem(name, "must be true or false")
    return text == "true"
