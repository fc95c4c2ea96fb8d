"""Bounds of requests hold for whatever is drawn, damaged bytes included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from tests.support.rpc.wire_limits import refused

from points_grpc.gateway.upstream import METHODS
from points_grpc.rpc import wire_limits


# Random messages, also malformed
def drawn(random: Random, of: Descriptor, depth: int = 0) -> Message:
    """A message with some of its fields, up to about their bounds."""
    message: Any = GetMessageClass(of)()
    for field in of.fields:
        if random.random() < 0.5:
            continue
        if field.is_repeated:
            _repeat(random, message, field, depth)
        elif field.message_type is None:
            setattr(message, field.name, _value(random, field))
        elif depth < 6:
            getattr(message, field.name).MergeFrom(drawn(random, field.message_type, depth + 1))
    return message  # type: ignore[no-any-return]


def _repeat(random: Random, message: Any, field: FieldDescriptor, depth: int) -> None:
    held, bound = getattr(message, field.name), wire_limits.bound_of(field) or 3
    count = random.choice((1, 2, bound // 2, bound, bound + 1) if depth < 1 else (0, 1, 2))
    kind = field.message_type
    if kind is None:
        held.extend(_value(random, field) for _ in range(min(count, 1100)))
    elif kind.GetOptions().map_entry:
        for n in range(count):
            held[f"k{n}"].MergeFrom(
                drawn(random, kind.fields_by_name["value"].message_type, depth + 1)
            )
    else:
        first = drawn(random, kind, depth + 1)
        held.extend([first] * min(count, 1100))


def _value(random: Random, field: FieldDescriptor) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "x" * random.choice((0, 3, 300))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice((1, 2, 77, -1))
    return random.choice((0, 1, 300, 2**31 - 1))


def excess(message: Any, place: str = "", bound: int = 0) -> set[str]:
    """The paths of what a parsed message has too much of."""
    found, within = set(), Counter[str]()
    for path, one, times in _counted(message, place, bound):
        within[path] += times
        if within[path] > one:
            found.add(path)
    return found


def _counted(message: Any, place: str, owner: int) -> Iterator[tuple[str, int, int]]:
    for field, value in message.ListFields():
        path = place if owner else f"{place}.{field.name}".lstrip(".")
        bound = owner or wire_limits.bound_of(field)
        if field.is_repeated:
            yield path, bound, len(value)
        if field.message_type is None:
            continue
        inner = owner or (0 if field.is_repeated else bound)
        if field.is_repeated and field.message_type.GetOptions().map_entry:
            items = [value[key] for key in value]
        else:
            items = list(value) if field.is_repeated else [value]
        for index, item in enumerate(items):
            at = f"{path}[{index}]" if field.is_repeated and not owner else path
            yield from _counted(item, at, inner)


@pytest.mark.parametrize("name", METHODS)
def test_the_walk_agrees_with_what_is_parsed(name: str) -> None:
    """Messages within the bounds are let through, others refused by a path that is at fault."""
    random, kind = Random(name), METHODS[name].input_type
    for _ in range(12):
        message = drawn(random, kind)
        raw = _with_unknown(random, message.SerializeToString())
        said = refused(message, raw)
        assert (said in excess(message)) if said is not None else not excess(message)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_damaged_gets_around_no_bound(name: str) -> None:
    """Bytes that were cut or changed are refused, or within the bounds of what the parser takes."""
    random, kind = Random(name), METHODS[name].input_type
    make, taken = GetMessageClass(kind), 0
    for _ in range(12):
        raw = drawn(random, kind).SerializeToString()
        for _ in range(6):
            damaged = _damaged(random, raw)
            said = refused(make(), damaged)
            try:
                message = make.FromString(damaged)
            except DecodeError:
                continue
            taken += 1
            assert said is not None or not excess(message), damaged[:200]
    assert taken


def _with_unknown(random: Random, raw: bytes) -> bytes:
    """Fields that the contract does not have around the message, groups among them."""
    pieces = (b"\xba\x3e\x03abc", b"\xb8\x3e\xff\x01", b"\xbb\x3e\x0a\x00\xbb\x3e\xbc\x3e\xbc\x3e")
    return random.choice(pieces) + raw + random.choice(pieces)


def _damaged(random: Random, raw: bytes) -> bytes:
    at = random.randrange(len(raw) + 1)
    return random.choice(
        (
            raw[:at],
            raw[:at] + random.randbytes(1) + raw[at + 1 :],
            raw[:at] + random.randbytes(random.randrange(1, 4)) + raw[at:],
            raw + raw,
            raw[at:] + raw[:at],
        )
    )
