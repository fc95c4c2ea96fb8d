"""Where administrators' changes are carried out, one at a time, and their questions answered.

Questions have a thread and a connection of their own, so that none waits for a change. Each change
is a unit of work with an idempotency row and an id of its own, so that neither a repeated request
nor a lost COMMIT does it twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Generic, TypeVar
from uuid import uuid4

from points_grpc.clock import Clock
from points_grpc.domain.admin.commands import Change, Outcome, fingerprint
from points_grpc.domain.commands import digest
from points_grpc.errors import Refusal, RequestIdReused
from points_grpc.service.shared.serial_worker import SerialWorker
from points_grpc.storage.core import unit_ids
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.core.ids import bucket_of_name
from points_grpc.storage.ledger import requests

T = TypeVar("T")

Instant = Callable[[], datetime]
"""The instant of a change, the same at every call."""


@dataclass(frozen=True, slots=True)
class AnswerCodec(Generic[T]):
    """How an answer is stored under its request id: `unpack` restores what `pack` was given.

    It is given the tenant's id, for what it reads from rows that never change.
    """

    pack: Callable[[T], bytes]
    unpack: Callable[[Connection, int, bytes], T]


@dataclass(frozen=True, slots=True)
class AdminChange(Generic[T]):
    """One change of administration.

    `scope` names the object within which its request id counts; `decide` does the change and
    gives the answer. It is handed the change's instant as a function, which reads the clock when
    it is first called: after the change has its locks.
    """

    tenant_id: int
    scope: tuple[str, ...]
    change: Change
    decide: Callable[[Connection, Instant], T]
    form: AnswerCodec[T]

    @property
    def key(self) -> tuple[int, int, bytes]:
        """Return the tenant, bucket and key of its idempotency row."""
        key = digest("administration", self.tenant_id, self.scope, self.change.request_id)
        return self.tenant_id, bucket_of_name(self.tenant_id, "request", key.hex()), key


class AdminExecutor:
    """Runs changes one after the other, and reads beside them.

    Whoever asks gets Overloaded when too many wait already, and StorageUnavailable when the
    database stays out of reach or in the way.
    """

    def __init__(
        self, database: Database, clock: Clock, changes_max: int = 256, reads_max: int = 2_000
    ) -> None:
        self._clock = clock
        self._changes = SerialWorker("admin-changes", database.link(), changes_max)
        self._reads = SerialWorker(
            "admin-reads", database.link(snapshot=True), reads_max, changes=False
        )

    def close(self) -> None:
        """Finish the work that has begun, drop what waits and close the connections."""
        self._changes.close()
        self._reads.close()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads in one snapshot; retry after a lost connection."""
        return await self._reads.run(work)

    async def run(self, task: AdminChange[T]) -> Outcome[T]:
        """Return the change's answer; the stored one if its request id is known."""
        done: list[Outcome[T]] = []  # of attempts that may have been committed
        unit_id = uuid4()

        def attempt(connection: Connection) -> Outcome[T]:
            if unit_ids.open_unit(connection, unit_id, self._clock.now()):
                done.append(_settle(connection, task, cache(self._clock.now)))
            return done[-1]

        return await self._changes.run(attempt)


def _settle(connection: Connection, task: AdminChange[T], now: Instant) -> Outcome[T]:
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


def _first_answer(connection: Connection, task: AdminChange[T]) -> Outcome[T] | None:
    tenant_id, _, key = task.key
    found = requests.find(connection, [task.key]).get((tenant_id, key))
    if found is None:
        return None
    content, answer, _ = found
    if content != fingerprint(task.change):
        raise RequestIdReused("request_id")
    return Outcome(task.form.unpack(connection, tenant_id, answer), replayed=True)
