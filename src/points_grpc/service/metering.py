"""Measuring the batches of lanes, where anybody wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Protocol, TypeVar

from points_grpc.service.batching import Execute, Job, Remains

P = TypeVar("P")


class Meter(Protocol):
    """Takes note of batches; called by the threads of all lanes, each with its own name."""

    def batch(self, lane: str, items: int, seconds: float, deferred: int, moved: int) -> None:
        """A batch of so many items was executed; so many jobs go again, or to another lane."""
        ...


def metered(lane: str, execute: Execute[P], meter: Meter | None) -> Execute[P]:
    """`execute`, of which `meter` takes note; the very same where there is none."""
    if meter is None:
        return execute

    def run(jobs: Sequence[Job[P]]) -> Remains[P]:
        began = perf_counter()
        deferred = moved = 0
        try:
            remains = execute(jobs)
            deferred, moved = len(remains.again), len(remains.elsewhere)
            return remains
        finally:
            items = sum(job.size for job in jobs)
            meter.batch(lane, items, perf_counter() - began, deferred, moved)

    return run
