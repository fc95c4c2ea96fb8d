"""What is noted about the batches of a lane."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from points_grpc.service.batching import Job, Requeue, metered


class Notes:
    """A meter that remembers."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int, int, int]] = []
        self.seconds: list[float] = []

    def batch(self, lane: str, items: int, seconds: float, locked_out: int, oversized: int) -> None:
        self.batches.append((lane, items, locked_out, oversized))
        self.seconds.append(seconds)


def execute(jobs: Sequence[Job[str]]) -> Requeue[str]:
    """Leaves the first job to be done again, and the second to another lane."""
    return Requeue(locked_out=[jobs[0]], oversized=[jobs[1]])


def fail(jobs: Sequence[Job[str]]) -> Requeue[str]:
    raise ZeroDivisionError


def test_a_batch_is_noted() -> None:
    """A meter hears of each batch: its items, its time, and the jobs that it left over."""
    notes = Notes()
    jobs = [Job("a", 1, size=3), Job("b", 1, size=4), Job("c", 1)]
    assert metered("write", execute, notes)(jobs) == execute(jobs)
    assert notes.batches == [("write", 8, 1, 1)]
    assert notes.seconds[0] >= 0


def test_a_batch_that_fails_is_noted() -> None:
    """A batch that fails as a whole counts as one, and fails as it would have."""
    notes = Notes()
    with pytest.raises(ZeroDivisionError):
        metered("write", fail, notes)([Job("a", 1)])
    assert notes.batches == [("write", 1, 0, 0)]


def test_without_a_meter_nothing_is_added() -> None:
    """Where nobody measures, the lane executes exactly what it was given."""
    assert metered("write", execute, None) is execute
