"""One unit of work, tried until its outcome is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar
from uuid import uuid4

import structlog

from points_grpc.clock import Clock
from points_grpc.storage.core import unit_ids
from points_grpc.storage.core.database import Connection, Link
from points_grpc.storage.core.db_error_messages import unreachable
from points_grpc.storage.core.db_errors import (
    Fault,
    Unreachable,
    fault_of,
    is_deadlock,
    is_lock_timeout,
    is_refused,
)

CONFLICTS_MAX = 8
"""How often the work is done again because another unit of work was first."""

LOST_SECONDS = 1.0
"""For how long the database is tried to be reached again."""

IN_DOUBT_SECONDS = 5.0
"""For how long that is tried when the answer to the COMMIT was lost."""

RETRY_SECONDS = 0.05

T = TypeVar("T")

_log = structlog.get_logger("points_grpc.service")


def run_with_retries(link: Link, clock: Clock, work: Callable[[Connection], T]) -> T:
    """Run `work` until an attempt is committed; return what that attempt returned.

    Its unit of work has an id, by which a COMMIT whose answer was lost is known to have
    succeeded. Raises Unreachable when the database stays away, and whatever `work` raised that
    trying again would not mend, a lock timeout included.

    `work` takes the instant of its decisions itself, once it holds its locks. The id has the
    earlier one at which the unit began: only the purge reads it, days later.
    """
    unit_id = uuid4()
    conflicts = 0
    doubt = _Doubt()
    results: list[T] = []
    attempts = count()
    while True:
        committing = False
        failure: Unreachable | None = None
        try:
            with link.unit() as connection:
                began_at = clock.now()
                if not next(attempts):
                    unit_ids.open_first(connection, unit_id, began_at)
                elif not unit_ids.open_unit(connection, unit_id, began_at):
                    return results[-1]
                doubt.lost_commit = False
                results[:] = [work(connection)]
                committing = True
            return results[-1]
        except Exception as error:
            fault = fault_of(error)
            log_deadlock(error)
            doubt.lost_commit |= committing and fault is Fault.LOST and not is_refused(error)
            if doubt.lost_commit or fault is Fault.LOST:
                if doubt.over():
                    failure = unreachable(error)
                    failure.in_doubt = doubt.lost_commit
            elif fault is Fault.CONFLICT and not is_lock_timeout(error):
                conflicts += 1
                if conflicts > CONFLICTS_MAX:
                    raise
            else:
                raise
        if failure is not None:
            raise failure  # not from the driver's error, which a traceback would show


def log_deadlock(error: Exception) -> None:
    """Log a deadlock: it is tried again, but locks are taken in an order that has none."""
    if is_deadlock(error):
        _log.warning("deadlock")


class _Doubt:
    """How long to go on when the connection was lost: longer if the COMMIT was under way."""

    def __init__(self) -> None:
        self.lost_commit = False
        self._since: float | None = None

    def over(self) -> bool:
        """Whether to give up now; waits a moment where not."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > (IN_DOUBT_SECONDS if self.lost_commit else LOST_SECONDS):
            return True
        time.sleep(RETRY_SECONDS)
        return False
