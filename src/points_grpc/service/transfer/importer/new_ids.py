"""Ids for what a chunk makes."""

from __future__ import annotations

from typing import Protocol

from points_grpc.storage.core.ids import BUCKETS


class ImportNumberSource(Protocol):
    """Where new ids come from."""

    def numbers(self, count: int) -> int:
        """The first of so many numbers in a row, for ids in any buckets."""
        ...


_NUMBERS = 1_024


class NewIds:
    """New ids for one chunk, taken many at a time."""

    def __init__(self, ids: ImportNumberSource) -> None:
        self._ids = ids
        self._next = self._end = 0

    def new_id(self, bucket: int) -> int:
        """A new id in `bucket`."""
        if self._next == self._end:
            self._next = self._ids.numbers(_NUMBERS)
            self._end = self._next + _NUMBERS
        self._next += 1
        return (self._next - 1) * BUCKETS + bucket

    def like(self, an_id: int) -> int:
        """A new id in the bucket of another."""
        return self.new_id(an_id % BUCKETS)
