"""Runs units of work one after the other, on one thread and one connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from points_grpc import effects
from points_grpc.errors import Overloaded, Refusal, StorageUnavailable
from points_grpc.service.shared.retry import log_deadlock
from points_grpc.storage.core.database import Connection, Link
from points_grpc.storage.core.db_errors import Fault, fault_of, is_refused

T = TypeVar("T")

_ATTEMPTS = 5


class SerialWorker:
    """Runs units of work one after the other, on one thread and one connection."""

    def __init__(self, name: str, link: Link, waiting_max: int, *, changes: bool = True) -> None:
        self._link = link
        self._changes = changes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(waiting_max)

    def close(self) -> None:
        """Finish what was begun, drop what waits and close the connection."""
        self._thread.shutdown(cancel_futures=True)
        self._link.close()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` and return its result; retry after a conflict or a lost connection."""
        if not self._places.acquire(blocking=False):
            raise Overloaded
        future = self._thread.submit(self._persist, work)
        future.add_done_callback(lambda _: self._places.release())
        effects.set_possible(self._changes)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.cancel():  # it had not begun
                effects.set_possible(False)
            raise

    def _persist(self, work: Callable[[Connection], T]) -> T:
        in_doubt = False
        for _ in range(_ATTEMPTS):
            committing = False
            try:
                with self._link.unit() as connection:
                    result = work(connection)
                    committing = self._changes
                return result
            except Refusal:
                raise
            except Exception as error:
                log_deadlock(error)
                fault = fault_of(error)
                if fault is Fault.SLOW:  # again it would hold up all the others just as long
                    raise StorageUnavailable(in_doubt=in_doubt) from error
                if fault not in (Fault.CONFLICT, Fault.LOST):
                    raise
                in_doubt |= committing and fault is Fault.LOST and not is_refused(error)
        raise StorageUnavailable(in_doubt=in_doubt)
