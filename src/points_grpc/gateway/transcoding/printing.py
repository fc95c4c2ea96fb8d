"""Messages as proto3 JSON.

The same JSON as protobuf's json_format writes with always_print_fields_with_no_presence, in a
fifth of its time: what is to be done with each field is decided once per type. Names are
lowerCamelCase, 64-bit integers strings, enums names, and fields without presence are there with
their defaults. (A message with presence that is not set is left out.)
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeAlias

from google.protobuf import any_pb2, descriptor_pool, json_format, timestamp_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

Writer: TypeAlias = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OWN_FORMS = "google.protobuf."
"""Types in this package have JSON forms of their own."""

_LONG = frozenset((FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64))
_REAL = frozenset((FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT))


def to_json(message: Message) -> Any:
    """The message as a value that json can write."""
    return _writer_of(message.DESCRIPTOR)(message)


@cache
def _writer_of(descriptor: Descriptor) -> Writer:
    name = descriptor.full_name
    if name == "google.protobuf.Timestamp":
        return _timestamp
    if name == "google.protobuf.Any":
        return _any
    if name.startswith(_OWN_FORMS):
        return json_format.MessageToDict
    return _fields_writer(descriptor)


def _fields_writer(descriptor: Descriptor) -> Writer:
    # Not yet the writers of the fields: a type may contain itself.
    rows: list[tuple[str, str, bool, Writer | None]] = []

    def write(message: Message) -> dict[str, Any]:
        if not rows:
            rows.extend(_row(field) for field in descriptor.fields)
        has = message.HasField
        return {
            key: getattr(message, name) if convert is None else convert(getattr(message, name))
            for name, key, optional, convert in rows
            if not optional or has(name)
        }

    return write


def _row(field: FieldDescriptor) -> tuple[str, str, bool, Writer | None]:
    """Return a field's name, key, whether it may be unset, and its writer (None: as it is)."""
    return field.name, field.json_name, field.has_presence, _field_writer(field)


def _field_writer(field: FieldDescriptor) -> Writer | None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_writer(field.message_type)
    convert = _value_writer(field)
    if not field.is_repeated:
        return convert
    if convert is None:
        return list
    return lambda values: [convert(value) for value in values]


def _map_writer(entry: Descriptor) -> Writer:
    key = _value_writer(entry.fields_by_name["key"]) or _as_key
    value = _value_writer(entry.fields_by_name["value"]) or (lambda held: held)
    return lambda held: {key(name): value(held[name]) for name in held}


def _as_key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _value_writer(field: FieldDescriptor) -> Writer | None:
    if field.message_type is not None:
        return _writer_of(field.message_type)
    if field.enum_type is not None:
        return _enum_writer(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    if field.cpp_type in _LONG:
        return str
    return _real if field.cpp_type in _REAL else None


def _enum_writer(enum: EnumDescriptor) -> Writer:
    names = {number: value.name for number, value in enum.values_by_number.items()}
    return lambda number: names.get(number, number)


def _real(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _timestamp(message: timestamp_pb2.Timestamp) -> str:
    at = (_EPOCH + timedelta(0, message.seconds)).isoformat()[:19]
    if not message.nanos:
        return f"{at}Z"
    fraction = f"{message.nanos:09}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{at}.{fraction}Z"


def _any(message: any_pb2.Any) -> dict[str, Any]:
    url = message.type_url
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(url.rpartition("/")[2])
        inner = GetMessageClass(descriptor).FromString(message.value)
    except (KeyError, DecodeError):
        return {"@type": url, "value": base64.b64encode(message.value).decode()}
    value = to_json(inner)
    if descriptor.full_name.startswith(_OWN_FORMS):
        return {"@type": url, "value": value}
    return {"@type": url, **value}
