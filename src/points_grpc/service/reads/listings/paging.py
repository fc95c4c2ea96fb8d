"""Pages out of sorted streams: merged, filtered, bounded, and continued where they ended.

A stream is a run of rows that an index gives in the listing's order: an account's history, or
one bucket's. A page takes rows from all of its streams, the first in order first, and examines
at most EXAMINED_MAX of them, so that it may hold fewer than were asked for. So it does where its
rows would take more than PAGE_BYTES_MAX, and once READ_BYTES_MAX of texts were read for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from points_grpc.domain.queries import Cursor
from points_grpc.domain.results import (
    PAGE_BYTES_MAX,
    READ_BYTES_MAX,
    AllocationView,
    ExpiryChangeView,
    LotView,
    TransactionView,
    size_of,
)
from points_grpc.errors import InvalidPageToken

EXAMINED_MAX = 10_000

T = TypeVar("T")
View = TypeVar("View", TransactionView, LotView, ExpiryChangeView, AllocationView)

SortKey = tuple[Any, ...]

NEVER_MICROS = 2**63 - 1
"""What a cursor holds for no instant at all: after every other."""

_SPARE = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A row that was examined: how it sorts, and the cursor that continues after it.

    `thing` is None if the row is filtered out.
    """

    key: SortKey
    cursor: Cursor
    thing: T | None


@dataclass(frozen=True, slots=True)
class Chunk(Generic[T]):
    """Rows of all streams in order, complete up to the key `cut` (None: to the end).

    Of the rows that are filtered out it need only have those that a stream was cut at.
    `text_bytes` is how long the texts are that were read; `examined` how many rows were read,
    None where that may have been as many as were allowed.
    """

    rows: Sequence[Found[T]]
    cut: SortKey | None
    text_bytes: int = 0
    examined: int | None = None


Fetch = Callable[[Cursor, int], Chunk[T]]
"""Reads at most so many rows of each stream after a cursor."""


class Collector(Generic[T]):
    """Takes rows for one page; several listings may fill it one after the other."""

    def __init__(self, size: int) -> None:
        self.taken: list[T] = []
        self._size = size
        self._examined = 0
        self._text_bytes = 0
        self._places: list[Cursor] = []

    @property
    def is_done(self) -> bool:
        """Whether the page has all rows that were asked for, or may examine or read no more."""
        return (
            len(self.taken) >= self._size
            or self._examined >= EXAMINED_MAX
            or (self._text_bytes >= READ_BYTES_MAX and bool(self.taken))
        )

    def collect(self, fetch: Fetch[T], cursor: Cursor, streams: int = 1) -> Cursor:
        """Take rows after `cursor`; where to continue, or () at the end of the streams."""
        quota = self._size // streams + _SPARE
        while not self.is_done:
            quota = max(1, min(quota, (EXAMINED_MAX - self._examined) // streams))
            chunk = fetch(cursor, quota)
            # To look into a stream costs something too, also where it has no rows.
            found = quota * streams if chunk.examined is None else chunk.examined + streams
            self._examined += found
            self._text_bytes += chunk.text_bytes
            cursor, at_end = self._take(chunk, cursor)
            if at_end:
                return ()
            quota *= 4
        return cursor

    def _take(self, chunk: Chunk[T], cursor: Cursor) -> tuple[Cursor, bool]:
        """Take a chunk's rows; the cursor after them, and whether nothing can follow."""
        left = len(chunk.rows)
        for row in chunk.rows:
            if len(self.taken) >= self._size or (chunk.cut is not None and row.key > chunk.cut):
                break
            left -= 1
            cursor = row.cursor
            if row.thing is not None:
                self.taken.append(row.thing)
                self._places.append(cursor)
        return cursor, chunk.cut is None and not left

    def fit(self, views: list[View], cursor: Cursor) -> tuple[list[View], Cursor]:
        """Return the first rows, as many as an answer has room for, and where to continue.

        `views` show what was taken, one by one; `cursor` is where all of them end.
        """
        room = PAGE_BYTES_MAX
        for place, view in enumerate(views):
            room -= size_of(view)
            if room < 0 and place:
                return views[:place], self._places[place - 1]
        return views, cursor


def to_micros(at: datetime) -> int:
    """An instant as a cursor holds it."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: str | int) -> datetime:
    """The instant that a cursor holds. Raises InvalidPageToken."""
    try:
        return _EPOCH + int(micros) * _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise InvalidPageToken("page_token") from error


def numbers(cursor: Cursor, length: int, start: Cursor) -> tuple[int, ...]:
    """The cursor's numbers, or those of `start` at the beginning. Raises InvalidPageToken."""
    parts = cursor or start
    if len(parts) != length or not all(isinstance(part, int) for part in parts):
        raise InvalidPageToken("page_token")
    return tuple(int(part) for part in parts)
