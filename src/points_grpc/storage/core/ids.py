"""Ids and buckets.

Every generated id is `number * 64 + bucket`, so that the id alone finds its row. Numbers start
at 2^40, which puts our ids at or above 2^46 (below are the vendors') and, for the first
2^47 numbers, under 2^53 (exact as JSON numbers).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import blake2b

from sqlalchemy import Connection, update

from points_grpc.storage.tables import id_blocks

BUCKETS = 64
FIRST_NUMBER = 2**40
BLOCK = 8192
_NAME = "number"


def bucket_of_id(an_id: int) -> int:
    """The bucket that one of our ids carries."""
    return an_id % BUCKETS


def bucket_of_name(tenant_id: int, kind: str, value: str) -> int:
    """The bucket of an identifier (or of any other name within a tenant)."""
    name = f"{tenant_id}\0{kind}\0{value}".encode()
    return int.from_bytes(blake2b(name, digest_size=2).digest(), "big") % BUCKETS


class IdSource:
    """Hands out numbers from blocks taken from the database; safe between threads.

    `run` executes a function in a short unit of work of its own, so that the blocks' row is
    never locked for longer than the taking.
    """

    def __init__(
        self, run: Callable[[Callable[[Connection], int]], int], series: str = _NAME
    ) -> None:
        """`series` is a row of id_blocks; ids of two series may be the same number."""
        self._run = run
        self._series = series
        self._lock = threading.Lock()
        self._next = 0
        self._end = 0

    def of_series(self, series: str) -> IdSource:
        """Another source over the same database, whose ids are of `series`."""
        return IdSource(self._run, series)

    def new_id(self, bucket: int) -> int:
        """A new id in `bucket`; takes a block from the database when none is left."""
        return self.numbers(1) * BUCKETS + bucket

    def numbers(self, count: int) -> int:
        """The first of so many numbers in a row, at most BLOCK, for ids in any buckets."""
        with self._lock:
            if self._end - self._next < count:
                self._next = self._run(lambda at: take_block(at, self._series))
                self._end = self._next + BLOCK
            first = self._next
            self._next += count
        return first


def take_block(connection: Connection, series: str = _NAME) -> int:
    """The first number of a block of BLOCK that is now the caller's alone."""
    taken = connection.execute(
        update(id_blocks)
        .where(id_blocks.c.name == series)
        .values(next=id_blocks.c.next + BLOCK)
        .returning(id_blocks.c.next)
    ).scalar_one()
    return int(taken) - BLOCK
