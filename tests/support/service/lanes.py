"""What tests of lanes share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from points_grpc.service.batching import Job, Lane, Requeue

PATIENCE_SECONDS = 5.0


class Gate:
    """Executes nothing until opened, then notes each batch; decides what becomes of a job.

    `verdicts` maps a payload to what happens to it, once for each: "again", "elsewhere", "fail".
    """

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.verdicts: dict[str, list[str]] = {}
        self.entered = threading.Semaphore(0)
        self._open = threading.Semaphore(0)
        self._wide = False

    def __call__(self, jobs: Sequence[Job[str]]) -> Requeue[str]:
        self.batches.append([job.payload for job in jobs])
        self.entered.release()
        if not self._wide:
            assert self._open.acquire(timeout=PATIENCE_SECONDS)
        remains: Requeue[str] = Requeue()
        for job in jobs:
            verdict = (self.verdicts.get(job.payload) or [""]).pop(0)
            if verdict == "again":
                remains.locked_out.append(job)
            elif verdict == "elsewhere":
                remains.oversized.append(job)
            elif verdict == "fail":
                raise ZeroDivisionError(job.payload)
        return remains

    def let_one_through(self) -> None:
        self._open.release()

    def open(self) -> None:
        self._wide = True
        self._open.release()

    def wait_entered(self) -> None:
        """Wait until a batch has begun that has not been waited for."""
        assert self.entered.acquire(timeout=PATIENCE_SECONDS)


Open = Callable[..., tuple[Lane[str], Gate]]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, PATIENCE_SECONDS))


async def put(
    lane: Lane[str], *names: str, tenant: int = 1, size: int = 1, weight: int = 1
) -> list[asyncio.Task[str]]:
    """Submit jobs, in this order, and wait until all are queued."""
    tasks = [
        asyncio.create_task(lane.submit(Job(name, tenant, size=size, weight=weight)))
        for name in names
    ]
    await asyncio.sleep(0)
    return tasks


async def begin(lane: Lane[str], gate: Gate) -> asyncio.Task[str]:
    """Let a batch of one run, so that what comes next gathers behind it."""
    (task,) = await put(lane, "first", tenant=99)
    await asyncio.to_thread(gate.wait_entered)
    return task
