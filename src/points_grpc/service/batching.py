"""A lane: a bounded queue and one thread, which executes together whatever has arrived.

While one batch runs, the next gathers in the queue; nothing ever waits for a batch to fill.
Coroutines put jobs in and await their results; the thread never touches the event loop but to
deliver them, once per batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from points_grpc.errors import Overloaded, StorageUnavailable

P = TypeVar("P")

_CLAIMS = threading.Lock()
"""Held while jobs are taken for a batch, or one is withdrawn; taken after a lane's own lock."""


@dataclass(slots=True, eq=False)
class Job(Generic[P]):
    """One piece of work; its executor stores the outcome in the payload.

    `size` counts items, `weight` bytes; both are bounded over a queue and over a batch. `begun`
    says that a part of it has taken effect, `taken` that it is, or may be, being executed.
    """

    payload: P
    tenant_id: int
    size: int = 1
    weight: int = 256
    tries: int = 0
    begun: bool = False
    taken: bool = False
    withdrawn: bool = False
    failure: Exception | None = None
    done: asyncio.Future[None] | None = None

    @property
    def abandoned(self) -> bool:
        """Return whether nobody waits for it any more."""
        return self.done is not None and self.done.done()

    def withdraw(self) -> bool:
        """Withdraw it, so that it is never executed; return False if it is too late."""
        with _CLAIMS:
            self.withdrawn = not self.taken
        return self.withdrawn

    def take(self) -> bool:
        """Mark it as being executed, for holders of `_CLAIMS`; False if nobody waits for it."""
        if self.withdrawn or (self.abandoned and not self.begun):
            return False
        self.taken = True
        return True


@dataclass(slots=True)
class Requeue(Generic[P]):
    """What a batch left undecided: jobs to retry, and jobs for another lane."""

    locked_out: list[Job[P]] = field(default_factory=list)
    oversized: list[Job[P]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a lane queues, and how much it takes into one batch."""

    queue_items: int = 20_000
    queue_bytes: int = 64 * 1024 * 1024
    batch_items: int = 1_000
    batch_bytes: int = 8 * 1024 * 1024
    tries_max: int = 3


Execute = Callable[[Sequence[Job[P]]], Requeue[P]]


class Lane(Generic[P]):
    """Executes jobs batch by batch on its own thread.

    Jobs handed back go to the head of the queue; after `bounds.tries_max` of that they move to
    `patient`. Those that the batch wants elsewhere move to `heavy`.
    """

    def __init__(
        self,
        name: str,
        execute: Execute[P],
        bounds: Bounds | None = None,
        *,
        patient: Lane[P] | None = None,
        heavy: Lane[P] | None = None,
    ) -> None:
        self.name = name
        self._execute = execute
        self._bounds = bounds or Bounds()
        self._patient = patient
        self._heavy = heavy
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = False
        self._queues: OrderedDict[int, deque[Job[P]]] = OrderedDict()
        self._items = 0
        self._bytes = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"lane-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Refuse new jobs, execute those that wait, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """Return the number of items in the queue."""
        return self._items

    async def submit(self, job: Job[P]) -> P:
        """Queue the job, await its execution and return its payload.

        Raises Overloaded when the queue is full, StorageUnavailable when the lane is closing,
        and whatever made its execution fail.
        """
        job.done = asyncio.get_running_loop().create_future()
        self._put(job)
        await job.done
        return job.payload

    def check_room(self, size: int, weight: int = 0) -> None:
        """Raise Overloaded if a job of so many items and bytes would be refused now."""
        bounds = self._bounds
        full = self._items + size > bounds.queue_items or self._bytes + weight > bounds.queue_bytes
        if full and self._items:
            raise Overloaded

    def _put(self, job: Job[P]) -> None:
        with self._lock:
            if self._closing:
                raise StorageUnavailable
            self.check_room(job.size, job.weight)
            self._append(job)

    def accept(self, job: Job[P]) -> None:
        """Queue a job from another lane, whatever the bounds: it was admitted once already."""
        with self._lock:
            self._append(job)

    def _append(self, job: Job[P]) -> None:
        self._queue_of(job.tenant_id).append(job)
        self._count(job, 1)
        if self._idle:  # a thread that is at work looks for itself when it is done
            self._idle = False
            self._changed.notify()

    def _queue_of(self, tenant_id: int) -> deque[Job[P]]:
        queue = self._queues.get(tenant_id)
        if queue is None:
            queue = self._queues[tenant_id] = deque()
        return queue

    def _count(self, job: Job[P], sign: int) -> None:
        self._items += sign * job.size
        self._bytes += sign * job.weight

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            remains: Requeue[P] = Requeue()
            if not batch:
                continue
            try:
                remains = self._execute(batch)
            except Exception as error:
                for job in batch:
                    job.failure = error
            self._settle(batch, remains)

    def _next_batch(self) -> list[Job[P]] | None:
        """Return the next jobs, tenant by tenant; None if the lane is closed and empty."""
        with self._changed:
            while not self._queues:
                if self._closing:
                    return None
                self._idle = True
                self._changed.wait()
            with _CLAIMS:
                return self._take_batch()

    def _take_batch(self) -> list[Job[P]]:
        batch: list[Job[P]] = []
        items = weight = 0
        while self._queues:
            tenant_id, queue = next(iter(self._queues.items()))
            job = queue[0]
            if batch and (
                items + job.size > self._bounds.batch_items
                or weight + job.weight > self._bounds.batch_bytes
            ):
                break
            queue.popleft()
            self._queues.move_to_end(tenant_id)
            if not queue:
                del self._queues[tenant_id]
            self._count(job, -1)
            if not job.take():
                continue
            batch.append(job)
            items += job.size
            weight += job.weight
        return batch

    def _settle(self, batch: Sequence[Job[P]], remains: Requeue[P]) -> None:
        left = {id(job) for job in (*remains.locked_out, *remains.oversized)}
        for job in (*remains.locked_out, *remains.oversized):
            job.taken = job.begun
        deliver([job for job in batch if id(job) not in left])
        for job in remains.oversized:
            job.tries += 1
            (self._heavy or self).accept(job)
        waiting = []
        for job in remains.locked_out:
            job.tries += 1
            if self._patient is not None and job.tries > self._bounds.tries_max:
                self._patient.accept(job)
            else:
                waiting.append(job)
        with self._changed:
            for job in reversed(waiting):
                self._queue_of(job.tenant_id).appendleft(job)
                self._count(job, 1)


def deliver(jobs: Sequence[Job[P]]) -> None:
    """Wake every coroutine that awaits one of the jobs; one call per event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Job[P]]] = {}
    for job in jobs:
        if job.done is not None:
            loops.setdefault(job.done.get_loop(), []).append(job)
    for loop, finished in loops.items():
        with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody waiting
            loop.call_soon_threadsafe(_finish, finished)


def _finish(jobs: Sequence[Job[P]]) -> None:
    for job in jobs:
        if job.done is None or job.done.done():
            continue
        if job.failure is not None:
            job.done.set_exception(job.failure)
        else:
            job.done.set_result(None)


class Meter(Protocol):
    """Counts batches; called by the threads of all lanes, each with its own name."""

    def batch(self, lane: str, items: int, seconds: float, locked_out: int, oversized: int) -> None:
        """Count a batch: its items, its duration, and the jobs that it left undecided."""
        ...


def metered(lane: str, execute: Execute[P], meter: Meter | None) -> Execute[P]:
    """Return `execute`, counted by `meter`; `execute` itself if there is none."""
    if meter is None:
        return execute

    def run(jobs: Sequence[Job[P]]) -> Requeue[P]:
        began = perf_counter()
        locked_out = oversized = 0
        try:
            remains = execute(jobs)
            locked_out, oversized = len(remains.locked_out), len(remains.oversized)
            return remains
        finally:
            items = sum(job.size for job in jobs)
            meter.batch(lane, items, perf_counter() - began, locked_out, oversized)

    return run
