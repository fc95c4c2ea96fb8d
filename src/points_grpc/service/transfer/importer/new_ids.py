"""Ids for what a chunk makes."""

from __future__ import annotations

from typing import Protocol

from points_grpc.storage.core.ids import BUCKETS


class ImportNumberSource(Protocol):
    """Gives blocks of numbers for new ids."""

    def numbers(self, count: int) -> int:
        """Return the first of so many consecutive numbers, for ids in any buckets."""
        ...


_NUMBERS = 1_024


class NewIds:
    """New ids for one chunk, taken many at a time."""

    def __init__(self, ids: ImportNumberSource) -> None:
        self._ids = ids
        self._next = self._end = 0

    def new_id(self, bucket: int) -> int:
        """Return a new id in `bucket`."""
        if self._next == self._end:
            self._next = self._ids.numbers(_NUMBERS)
            self._end = self._next + _NUMBERS
        self._next += 1
        return (self._next - 1) * BUCKETS + bucket

    def like(self, an_id: int) -> int:
        """Return a new id in the bucket of another id."""
        return self.new_id(an_id % BUCKETS)
