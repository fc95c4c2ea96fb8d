"""Twice the request is at most twice the work, for every method of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tests.support.work.linear import Read, faults_of

from points_grpc.gateway.upstream import METHODS

IDS = dict.fromkeys(("lot_id", "account_id", "transaction_id", "open_id"), "70368744177665")


@pytest.mark.parametrize("name", METHODS)
def test_methods_read_in_linear_time(world: Any, name: str) -> None:
    """A method's work grows with its request, whichever field holds more."""
    method = METHODS[name]

    def reads() -> Iterator[tuple[str, Read]]:
        for label, make in growing(method, world.base(name, IDS)):
            yield label, _answering(world, name, make)

    assert faults_of(reads()) == {}


def _answering(world: Any, name: str, make: Callable[[int], bytes]) -> Read:
    def read(size: int) -> Callable[[], object]:
        raw = make(size)
        return lambda: world.service.answer(name, raw)

    return read


def growing(
    method: MethodDescriptor, begin: Message
) -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """The request with one of its fields as large as wanted."""
    raw = begin.SerializeToString()
    yield "an unknown field", lambda size: raw + b"\xba\x3e\x01a" * size
    yield (
        "unknown groups",
        lambda size: raw + b"\xbb\x3e" * (size // 32) + b"\xbc\x3e" * (size // 32),
    )
    yield "a number without an end", lambda size: raw + b"\x08" + b"\xff" * size
    yield "the request again", lambda size: raw * (size // 20)
    for path, field in _fields(method.input_type, ()):
        label = ".".join(one.name for one in (*path, field))
        yield label, _grown(begin, path, field)


def _grown(
    begin: Message, path: tuple[FieldDescriptor, ...], field: FieldDescriptor
) -> Callable[[int], bytes]:
    def make(size: int) -> bytes:
        message = GetMessageClass(begin.DESCRIPTOR)()
        message.CopyFrom(begin)
        holder: Any = message
        for step in path:
            holder = getattr(holder, step.name)
            if step.is_repeated:
                holder = holder[0] if len(holder) else holder.add()
        _put(holder, field, size)
        return message.SerializeToString()

    return make


def _put(holder: Any, field: FieldDescriptor, size: int) -> None:
    kind = field.message_type
    if kind is not None and kind.full_name == "google.protobuf.Struct":
        getattr(holder, field.name).update({f"k{n}": ["x", n, {"y": None}] for n in range(size)})
    elif field.is_repeated and kind is not None:
        held = getattr(holder, field.name)
        first = held[0] if len(held) else GetMessageClass(kind)()
        held.extend([first] * size)
    elif field.is_repeated:
        text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
        getattr(holder, field.name).extend("x" if text else n for n in range(1, size + 1))
    else:
        setattr(holder, field.name, "x" * size)


def _fields(
    of: Descriptor, path: tuple[FieldDescriptor, ...]
) -> Iterator[tuple[tuple[FieldDescriptor, ...], FieldDescriptor]]:
    """Every text and everything repeated, wherever in the request."""
    for field in of.fields:
        kind = field.message_type
        is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING
        if field.is_repeated or is_text or (kind and kind.full_name == "google.protobuf.Struct"):
            yield path, field
        if kind is not None and kind.full_name != "google.protobuf.Struct":
            yield from _fields(kind, (*path, field))
