"""The machine's clock, for commands that write and end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from points_grpc.cli import options
from points_grpc.clock import SystemClock
from points_grpc.errors import TimeInDoubt
from points_grpc.service.shared.checked_clock import CheckedClock
from points_grpc.storage.core.database import Database


@contextmanager
def checked_clock(database: Database) -> Iterator[CheckedClock]:
    """Yield the machine's clock; exit with one line if it is wrong, now or later."""
    clock = CheckedClock(database, SystemClock())
    clock.compare()
    _refuse(clock)
    try:
        with clock.watched():
            yield clock
    except TimeInDoubt:
        _refuse(clock)
        raise


def _refuse(clock: CheckedClock) -> None:
    if clock.problem:
        options.fail(f"{clock.problem}: nothing more is written")
