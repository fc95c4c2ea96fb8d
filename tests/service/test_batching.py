"""Lanes: what runs together, in which order, how much of it, and what happens to leftovers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from tests.support.service.lanes import PATIENCE_SECONDS, Open, begin, put, run

from points_grpc.errors import Overloaded
from points_grpc.service.batching import Bounds, Job, Lane, Requeue


def test_what_arrives_while_a_batch_runs_is_the_next(open_lane: Open) -> None:
    """A lone job runs at once; those that come meanwhile are one batch, in their order."""
    lane, gate = open_lane()

    async def story() -> list[str]:
        first = await begin(lane, gate)
        rest = await put(lane, "a", "b", "c", "d")
        assert lane.waiting == 4
        gate.open()
        return await asyncio.gather(first, *rest)

    assert run(story()) == ["first", "a", "b", "c", "d"]
    assert gate.batches == [["first"], ["a", "b", "c", "d"]]
    assert lane.waiting == 0


@pytest.mark.parametrize(
    ("bounds", "size", "weight"),
    [(Bounds(batch_items=4), 2, 1), (Bounds(batch_bytes=20), 1, 10)],
)
def test_a_batch_is_bounded(open_lane: Open, bounds: Bounds, size: int, weight: int) -> None:
    """A batch holds as many jobs as its bounds on items and on bytes allow, each whole."""
    lane, gate = open_lane(bounds=bounds)

    async def story() -> None:
        first = await begin(lane, gate)
        rest = await put(lane, "a", "b", "c", "d", "e", size=size, weight=weight)
        gate.open()
        await asyncio.gather(first, *rest)

    run(story())
    assert gate.batches[1:] == [["a", "b"], ["c", "d"], ["e"]]


def test_a_job_beyond_the_bounds_runs_alone(open_lane: Open) -> None:
    """A job larger than a batch may be is a batch of its own."""
    lane, gate = open_lane(bounds=Bounds(batch_items=3))

    async def story() -> None:
        first = await begin(lane, gate)
        rest = [*await put(lane, "a"), *await put(lane, "big", size=9), *await put(lane, "b")]
        gate.open()
        await asyncio.gather(first, *rest)

    run(story())
    assert gate.batches[1:] == [["a"], ["big"], ["b"]]


def test_tenants_take_turns(open_lane: Open) -> None:
    """A tenant with a long queue does not keep others out of the next batch."""
    lane, gate = open_lane(bounds=Bounds(batch_items=4))

    async def story() -> None:
        first = await begin(lane, gate)
        rest = await put(lane, "a1", "a2", "a3", "a4", "a5", tenant=1)
        rest += await put(lane, "b1", tenant=2)
        rest += await put(lane, "c1", "c2", tenant=3)
        gate.open()
        await asyncio.gather(first, *rest)

    run(story())
    assert gate.batches[1:] == [["a1", "b1", "c1", "a2"], ["c2", "a3", "a4", "a5"]]


@pytest.mark.parametrize(
    ("bounds", "size", "weight"),
    [(Bounds(queue_items=4), 2, 1), (Bounds(queue_bytes=20), 1, 10)],
)
def test_a_full_queue_refuses(open_lane: Open, bounds: Bounds, size: int, weight: int) -> None:
    """Beyond its bounds on items or bytes a queue refuses, and takes more when it has room."""
    lane, gate = open_lane(bounds=bounds)

    async def story() -> None:
        first = await begin(lane, gate)
        taken = await put(lane, "a", "b", size=size, weight=weight)
        with pytest.raises(Overloaded):
            await lane.submit(Job("c", 2, size=size, weight=weight))
        with pytest.raises(Overloaded):
            lane.check_room(size, weight)
        gate.open()
        await asyncio.gather(first, *taken)
        assert await lane.submit(Job("d", 1, size=size, weight=weight)) == "d"

    run(story())
    assert gate.batches == [["first"], ["a", "b"], ["d"]]


def test_an_empty_queue_takes_a_job_of_any_size(open_lane: Open) -> None:
    """A job that is larger than the whole queue may be is let in when nothing waits."""
    lane, gate = open_lane(bounds=Bounds(queue_items=4))
    gate.open()
    assert run(lane.submit(Job("big", 1, size=9))) == "big"


def test_an_abandoned_job_is_not_begun(open_lane: Open) -> None:
    """A job whose caller has gone before its first attempt is dropped."""
    lane, gate = open_lane()

    async def story() -> None:
        first = await begin(lane, gate)
        gone, stays = await put(lane, "gone", "stays")
        gone.cancel()
        await asyncio.wait([gone])
        gate.open()
        await asyncio.gather(first, stays)

    run(story())
    assert gate.batches == [["first"], ["stays"]]
    assert lane.waiting == 0


@pytest.mark.parametrize("begun", [True, False])
def test_a_begun_job_is_finished(begun: bool) -> None:
    """A job that was handed back is executed where a part of it has taken effect, else dropped."""
    entered, go_on, names = threading.Event(), threading.Event(), []

    def execute(jobs: Sequence[Job[str]]) -> Requeue[str]:
        names.extend(job.payload for job in jobs)
        entered.set()
        assert go_on.wait(PATIENCE_SECONDS)
        again = [job for job in jobs if job.payload == "first" and not job.tries]
        for job in again:
            job.begun = begun
        return Requeue(locked_out=again)

    lane: Lane[str] = Lane("test", execute)
    lane.start()

    async def story() -> None:
        (first,) = await put(lane, "first")
        await asyncio.to_thread(entered.wait, PATIENCE_SECONDS)
        first.cancel()
        await asyncio.wait([first])
        go_on.set()
        await lane.submit(Job("last", 1))

    run(story())
    lane.stop()
    assert names == (["first", "first", "last"] if begun else ["first", "last"])


def test_a_job_is_either_taken_or_withdrawn(open_lane: Open) -> None:
    """What waits in a queue can be withdrawn, and is never executed; what runs cannot."""
    lane, gate = open_lane()
    runs, waits = Job("runs", 1), Job("waits", 1)

    async def story() -> tuple[bool, bool]:
        tasks = [asyncio.create_task(lane.submit(runs))]
        await asyncio.to_thread(gate.wait_entered)
        tasks.append(asyncio.create_task(lane.submit(waits)))
        await asyncio.sleep(0)
        found = runs.withdraw(), waits.withdraw()
        tasks[1].cancel()
        gate.open()
        await asyncio.wait(tasks)
        await lane.submit(Job("last", 1))
        return found

    assert run(story()) == (False, True)
    assert gate.batches == [["runs"], ["last"]]
