"""Bytes that are no message of the method, or one that no client of the contract's would write."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

WIRE_TYPES = range(8)


def varint(number: int) -> bytes:
    """A number as the wire has it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def malformed(method: MethodDescriptor, begin: Message) -> Iterator[tuple[str, bytes]]:
    """Cut off, doubled, of other wire types, nested without an end, and noise."""
    raw = begin.SerializeToString()
    for end in range(0, len(raw), max(1, len(raw) // 8)):
        yield "cut off", raw[:end]
    yield "twice", raw + raw
    yield "an unknown field", raw + varint(999 << 3 | 2) + b"\x03abc"
    yield "a length without an end", raw + b"\x0a" + b"\xff" * 9 + b"\x01"
    yield "a number of eleven bytes", raw + b"\x08" + b"\xff" * 11
    yield "groups in groups", b"\x0b" * 5000
    yield "messages in messages", _nested(method)
    yield "far too many fields", raw + b"\xb8\x3e\x01" * 100_001
    for field in method.input_type.fields:
        for wire_type in WIRE_TYPES[field.number % 2 :: 2]:
            tag = varint(field.number << 3 | wire_type)
            yield f"{field.name} of type {wire_type}", raw + tag + b"\x05\xff\xfe\xfd\0\x01\0\0\0"
        if field.is_repeated:
            element = varint(field.number << 3 | 2) + b"\x01\x01"
            yield f"far too many {field.name}", raw + element * 20_000
    noise = Random(method.full_name)
    for _ in range(8):
        yield "noise", noise.randbytes(noise.randrange(1, 80))
        at = noise.randrange(len(raw) + 1)
        yield "a bit of noise", raw[:at] + noise.randbytes(2) + raw[at + 1 :]


def _nested(method: MethodDescriptor) -> bytes:
    """The first message field, holding what might be the same, and so on, 200 deep."""
    number = next((f.number for f in method.input_type.fields if f.message_type), 1)
    inner = b""
    for _ in range(200):
        inner = varint(number << 3 | 2) + varint(len(inner)) + inner
    return inner
