"""Where administrators' changes are carried out, one at a time, and their questions answered.

Questions have a thread and a connection of their own, so that none waits for a change. Each change
is a unit of work with an idempotency row and an id of its own, so that neither a repeated request
nor a lost COMMIT does it twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Generic, TypeVar
from uuid import uuid4

from points_grpc import effects
from points_grpc.clock import Clock
from points_grpc.domain.admin.commands import Change, Outcome, fingerprint
from points_grpc.domain.commands import digest
from points_grpc.errors import Overloaded, Refusal, RequestIdReused, StorageUnavailable
from points_grpc.service.shared.retry import tell_if_deadlock
from points_grpc.storage.core import unit_ids
from points_grpc.storage.core.database import Connection, Database, Link
from points_grpc.storage.core.db_errors import Fault, fault_of, is_refused
from points_grpc.storage.core.ids import bucket_of_name
from points_grpc.storage.ledger import requests

T = TypeVar("T")

Instant = Callable[[], datetime]
"""The instant of a change, the same at every call."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class AnswerForm(Generic[T]):
    """How an answer is kept under its request id: `unpack` rebuilds exactly what was packed.

    It is given the tenant's id, for what it reads from rows that never change.
    """

    pack: Callable[[T], bytes]
    unpack: Callable[[Connection, int, bytes], T]


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """One change and how to carry it out.

    `scope` names the object within which its request id counts; `decide` does the change and
    gives the answer. It is handed the change's instant as a function, which reads the clock when
    it is first called: after the change has its locks.
    """

    tenant_id: int
    scope: tuple[str, ...]
    change: Change
    decide: Callable[[Connection, Instant], T]
    form: AnswerForm[T]

    @property
    def key(self) -> tuple[int, int, bytes]:
        """Tenant, bucket and key of its idempotency row."""
        key = digest("administration", self.tenant_id, self.scope, self.change.request_id)
        return self.tenant_id, bucket_of_name(self.tenant_id, "request", key.hex()), key


class Desk:
    """Carries out changes and answers questions, each in the order they come.

    Whoever asks gets Overloaded when too many wait already, and StorageUnavailable when the
    database stays out of reach or in the way.
    """

    def __init__(
        self, database: Database, clock: Clock, changes_max: int = 256, reads_max: int = 2_000
    ) -> None:
        self._clock = clock
        self._changes = Clerk("changes", database.link(), changes_max)
        self._reads = Clerk("reads", database.link(snapshot=True), reads_max, changes=False)

    def close(self) -> None:
        """Finish what was begun, drop what waits and close the connections."""
        self._changes.close()
        self._reads.close()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads in one snapshot; tried again where the connection was lost."""
        return await self._reads.run(work)

    async def carry_out(self, task: Task[T]) -> Outcome[T]:
        """The task's answer, new or, where its request id is known, the first one again."""
        done: list[Outcome[T]] = []  # of attempts that may have been committed
        unit_id = uuid4()

        def attempt(connection: Connection) -> Outcome[T]:
            if unit_ids.open_unit(connection, unit_id, self._clock.now()):
                done.append(_settle(connection, task, cache(self._clock.now)))
            return done[-1]

        return await self._changes.run(attempt)


class Clerk:
    """Runs units of work one after the other, on one thread and one connection."""

    def __init__(self, name: str, link: Link, waiting_max: int, *, changes: bool = True) -> None:
        self._link = link
        self._changes = changes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"desk-{name}")
        self._places = threading.BoundedSemaphore(waiting_max)

    def close(self) -> None:
        """Finish what was begun, drop what waits and close the connection."""
        self._thread.shutdown(cancel_futures=True)
        self._link.close()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns; it is attempted again after a conflict or a lost connection."""
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
                tell_if_deadlock(error)
                fault = fault_of(error)
                if fault is Fault.SLOW:  # again it would hold up all the others just as long
                    raise StorageUnavailable(in_doubt=in_doubt) from error
                if fault not in (Fault.CONFLICT, Fault.LOST):
                    raise
                in_doubt |= committing and fault is Fault.LOST and not is_refused(error)
        raise StorageUnavailable(in_doubt=in_doubt)


def _settle(connection: Connection, task: Task[T], now: Instant) -> Outcome[T]:
    if not task.change.request_id:
        return Outcome(task.decide(connection, now))
    if (first := _first_answer(connection, task)) is not None:
        return first
    try:
        answer = task.decide(connection, now)
    except Refusal:
        # The same request may have been carried out by another process since we looked.
        if (first := _first_answer(connection, task)) is not None:
            return first
        raise
    tenant_id, bucket, key = task.key
    row = (bucket, tenant_id, key, fingerprint(task.change), task.form.pack(answer), now())
    requests.insert(connection, [row])
    return Outcome(answer)


def _first_answer(connection: Connection, task: Task[T]) -> Outcome[T] | None:
    tenant_id, _, key = task.key
    found = requests.find(connection, [task.key]).get((tenant_id, key))
    if found is None:
        return None
    content, answer, _ = found
    if content != fingerprint(task.change):
        raise RequestIdReused("request_id")
    return Outcome(task.form.unpack(connection, tenant_id, answer), replayed=True)
