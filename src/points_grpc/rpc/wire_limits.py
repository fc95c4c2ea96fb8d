"""Bounds on what a request holds, counted in its bytes before they become objects.

Two bytes can be a message that takes two hundred in memory. So what a request costs is bounded by
how many elements and fields it has, not by its length. One walk over the tags counts both.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from points.v1 import options_pb2
from points_grpc.errors import InvalidField

TAGS_MAX = 100_000
"""The most fields of a call in all, those of inner messages and unknown ones included."""

SMALL_BYTES = 1024
"""Inner messages up to this length are looked into last, and only if that can change anything."""

FIELD_BYTES_MIN = 2
"""The length of the shortest field: what has not been looked into has no more than that allows."""

TINY_BYTES = 16
"""Within a message that was put off, those up to this length are not put off again."""

LOOP_BYTES_MAX = 64 * 1024
"""A longer request is walked outside of the event loop."""

_LONG = frozenset(
    (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE)
)
_WIDE = frozenset(
    (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64)
)
_NARROW = frozenset(
    (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32)
)
_DEPTH_MAX = 16
_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_VARINT_BYTES_MAX = 10
_CONTINUED = bytes(range(128, 256))

# One thread: however many large requests there are, the event loop shares its time with one walk.
_THREAD = ThreadPoolExecutor(1, "wire-limits")


class Unbounded(ValueError):
    """A repeated field or a map of a request without `max_items`."""


class _Field(NamedTuple):
    """The walk's task at a tag: count under `path` up to `bound` (0: nothing to count), and
    look into what is longer than `small` at once. `width` is that of a packed element, 1 for
    varints."""

    path: str
    bound: int
    width: int
    inner: Shape | None
    small: int
    is_element: bool


@dataclass(slots=True)
class Shape:
    """The bounds of a message: by tag what is to be counted, all paths relative to an element.

    A value that is no longer than `small` bytes cannot hold too much of anything.
    """

    fields: dict[int, _Field] = field(default_factory=dict)
    small: int = TAGS_MAX
    counts: bool = False


class Limits:
    """The bounds of one kind of request. Raises Unbounded."""

    def __init__(self, request: Descriptor) -> None:
        self._shape = _Shapes().of(request)
        self.small = self._shape.small

    async def checked(self, raw: bytes) -> bytes:
        """The bytes themselves, if they keep the bounds. Raises InvalidField.

        Malformed bytes are left for the parser to refuse.
        """
        if len(raw) > LOOP_BYTES_MAX:
            await asyncio.get_running_loop().run_in_executor(_THREAD, self.check, raw)
        else:
            self.check(raw)
        return raw

    def check(self, raw: bytes) -> None:
        """Raise InvalidField at the first count that is above its bound."""
        if len(raw) > self.small:
            try:
                _walk(raw, self._shape)
            except (IndexError, _Malformed):
                return


class _Malformed(Exception):
    """The bytes are no message that a parser would take."""


_Part = tuple[dict[int, _Field], int, int]
"""A message by its fields, and where it begins and ends."""


def _walk(raw: bytes, shape: Shape) -> None:
    put_off: deque[_Part] = deque()
    tags, unseen = _count(raw, (shape.fields, 0, len(raw)), 0, put_off)
    while put_off and tags + unseen // FIELD_BYTES_MIN > TAGS_MAX:
        part = put_off.popleft()
        tags, more = _count(raw, part, tags, put_off, is_short=True)
        unseen += more - (part[2] - part[1])


def _count(  # noqa: PLR0912  # a call for each tag would double its time
    raw: bytes, part: _Part, tags: int, put_off: deque[_Part], is_short: bool = False
) -> tuple[int, int]:
    """The tags, with those before; and how many bytes are put off. Raises _Malformed."""
    (fields, at, end), counts, place = part, dict[str, int](), ""
    unseen = groups = 0
    around: list[tuple[dict[int, _Field], dict[str, int], str, int]] = []
    while True:
        if at >= end:
            if at > end or groups:
                raise _Malformed
            if not around:
                return tags, unseen
            fields, counts, place, end = around.pop()
            continue
        tags += 1
        if tags > TAGS_MAX:
            raise InvalidField("", f"must not have more than {TAGS_MAX} fields in all")
        tag = raw[at]
        at += 1
        if tag > 127:
            tag, at = _varint(raw, at - 1)
            tag &= 0xFFFFFFFF
        start, kind = at, tag & 7
        if kind == _BYTES:
            size = raw[at]
            at += 1
            if size > 127:
                size, at = _varint(raw, at - 1)
            start = at
            at += size
        else:
            at, groups = _end_of_value(raw, at, kind, groups)
        found = None if groups else fields.get(tag)
        if found is None:
            continue
        path, bound, width, inner, small, is_element = found
        count = 0
        if bound:
            count = counts.get(path, 0) + (_packed(raw, start, at, width, bound) if width else 1)
            if count > bound:
                raise InvalidField(place + path, f"must not have more than {bound} items")
            counts[path] = count
        if inner is None:
            continue
        if at - start > TINY_BYTES if is_short else at - start <= small:
            unseen += at - start
            put_off.append((inner.fields, start, at))
            continue
        around.append((fields, counts, place, end))
        fields, end, at = inner.fields, at, start
        if is_element:
            counts, place = {}, f"{place}{path}[{count - 1}]."


def _end_of_value(raw: bytes, at: int, kind: int, groups: int) -> tuple[int, int]:
    """Return the end of a value without a length, and the number of groups then open."""
    if kind == _VARINT:
        return (at + 1 if raw[at] < 128 else _varint(raw, at)[1]), groups
    if kind == _FIXED64:
        return at + 8, groups
    if kind == _FIXED32:
        return at + 4, groups
    if kind == _GROUP:
        return at, groups + 1
    if kind == _GROUP_END and groups:
        return at, groups - 1
    raise _Malformed


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place in range(_VARINT_BYTES_MAX):
        byte = raw[at + place]
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            return number, at + place + 1
    raise _Malformed


def _packed(raw: bytes, start: int, end: int, width: int, bound: int) -> int:
    """Return the number of elements of a packed field; of too many, at least `bound` + 1."""
    size = end - start
    if width > 1:
        return size // width
    if size > bound * _VARINT_BYTES_MAX:
        return bound + 1
    return len(raw[start:end].translate(None, _CONTINUED))


# What there is to count, from the contract


def bound_of(one: FieldDescriptor) -> int:
    """Return the most elements that the contract allows the field; 0 where it does not say."""
    return int(one.GetOptions().Extensions[options_pb2.max_items])  # type: ignore[index]  # the stubs know none


class _Owner(NamedTuple):
    """A field of ours whose message is not ours, and its bound for all that repeats within."""

    path: str
    bound: int


class _Shapes:
    """Makes shapes from descriptors, each once: messages that are not ours may hold themselves."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, _Owner | None], Shape] = {}

    def of(self, message: Descriptor, prefix: str = "", owner: _Owner | None = None) -> Shape:
        """The shape of a message whose fields have `prefix` before their paths."""
        key = (message.full_name, prefix, owner)
        if key in self._known:
            return self._known[key]
        if prefix.count(".") > _DEPTH_MAX:
            raise Unbounded(f"{message.full_name} holds itself")
        shape = self._known[key] = Shape()
        for one in message.fields:
            found = self._field(one, prefix, owner)
            if found.bound == 0 and found.inner is None:
                continue
            for tag, width in _tags_of(one):
                shape.fields[tag] = found._replace(width=width)
            if found.bound:
                shape.counts = True
                shape.small = min(shape.small, found.bound * (2 if one.type in _LONG else 1))
            if found.inner is not None:
                shape.counts |= found.inner.counts
                shape.small = min(shape.small, found.inner.small)
        return shape

    def _field(self, one: FieldDescriptor, prefix: str, owner: _Owner | None) -> _Field:
        path = owner.path if owner else prefix + one.name
        bound = owner.bound if owner else bound_of(one)
        if one.is_repeated and not bound:
            raise Unbounded(f"{one.full_name} says nothing of its max_items")
        kind = one.message_type
        if kind is None:
            return _Field(path, bound if one.is_repeated else 0, 0, None, 0, False)
        if owner:
            return _Field(
                path, bound if one.is_repeated else 0, 0, self.of(kind, "", owner), -1, False
            )
        if one.is_repeated:
            inner = self.of(kind)
            return _Field(path, bound, 0, inner, min(SMALL_BYTES, inner.small), True)
        inner = self.of(kind, f"{path}.", _Owner(path, bound) if bound else None)
        # One that comes twice is merged, so that its parts have to be counted together.
        return _Field(path, 0, 0, inner, -1 if inner.counts else SMALL_BYTES, False)


def _tags_of(one: FieldDescriptor) -> Iterator[tuple[int, int]]:
    """The field's tags, each with the width of the elements that are packed under it, or 0."""
    number = one.number << 3
    if one.type in _LONG:
        yield number | _BYTES, 0
        return
    width = 8 if one.type in _WIDE else 4 if one.type in _NARROW else 1
    yield number | {8: _FIXED64, 4: _FIXED32, 1: _VARINT}[width], 0
    yield number | _BYTES, width
