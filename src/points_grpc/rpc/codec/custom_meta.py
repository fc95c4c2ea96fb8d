"""What callers attach to an expiry change: custom_meta, kept as canonical JSON."""

from __future__ import annotations

import json

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from points.v1 import expiry_change_pb2
from points_grpc.domain.custom_meta import (
    BYTES_MAX,
    FIELD,
    Json,
    canonical,
    check_depth,
    read_number,
    too_large,
)
from points_grpc.domain.custom_meta import read_text as read_part
from points_grpc.domain.limits import META_MAX, read_text
from points_grpc.errors import InvalidField


class _Seen:
    """Short metas met lately, as bytes of a Struct and as text: batches repeat themselves.

    Starts afresh when full. Bytes, because a message would keep its whole request in memory.
    """

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}
        self._structs: dict[str, bytes] = {}

    def add(self, struct: bytes, text: str) -> None:
        if len(struct) > _SEEN_BYTES_MAX or _MINUS_ZERO in struct:
            return
        if len(self._texts) >= _SEEN_MAX:
            self._texts.clear()
            self._structs.clear()
        self._texts[struct] = text
        self._structs[text] = struct

    def text(self, struct: bytes) -> str | None:
        return self._texts.get(struct)

    def struct(self, text: str) -> bytes | None:
        return self._structs.get(text)


_SEEN_MAX = 4096
_SEEN_BYTES_MAX = 512
_MINUS_ZERO = bytes((0, 0, 0, 0, 0, 0, 0, 0x80))  # is written as 0, and 0 is to come back
_seen = _Seen()


def read_custom_meta(struct: Struct) -> str:
    """`struct` as canonical JSON: keys sorted, whole numbers as integers. Raises InvalidField."""
    struct.DiscardUnknownFields()
    packed = struct.SerializeToString(deterministic=True)
    if (known := _seen.text(packed)) is not None:
        return known
    if len(packed) > BYTES_MAX * 8:
        # A byte of JSON is at most six in the message; what is larger is not worth a look.
        raise too_large()
    text = canonical(_object(struct, 1))
    _seen.add(packed, text)
    return text


def put_custom_meta(struct: Struct, text: str) -> None:
    """Set `struct`, an empty one, to what `read_custom_meta` made `text` of."""
    packed = _seen.struct(text)
    if packed is not None:
        struct.MergeFromString(packed)
        return
    struct.update(json.loads(text))
    _seen.add(struct.SerializeToString(deterministic=True), text)


def read_standard_meta(message: expiry_change_pb2.StandardMeta) -> tuple[str, str, str]:
    """who_raised, who_approved, reason_for_trigger. Raises InvalidField."""
    return (
        read_text(message.who_raised, "standard_meta.who_raised", META_MAX),
        read_text(message.who_approved, "standard_meta.who_approved", META_MAX),
        read_text(message.reason_for_trigger, "standard_meta.reason_for_trigger", META_MAX),
    )


def _object(struct: Struct, depth: int) -> dict[str, Json]:
    check_depth(depth)
    return {read_part(key): _value(value, depth) for key, value in struct.fields.items()}


def _list(values: ListValue, depth: int) -> list[Json]:
    check_depth(depth)
    return [_value(value, depth) for value in values.values]


def _value(value: Value, depth: int) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return read_part(value.string_value)
    if kind == "number_value":
        return read_number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "null_value":
        return None
    if kind == "struct_value":
        return _object(value.struct_value, depth + 1)
    if kind == "list_value":
        return _list(value.list_value, depth + 1)
    raise InvalidField(FIELD, "must not contain values of no kind")
