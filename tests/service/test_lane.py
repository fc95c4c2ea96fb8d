"""Lanes: what runs together, in which order, how much of it, and what happens to leftovers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import pytest

from points_grpc.errors import Overloaded, StorageUnavailable
from points_grpc.service.batching import Bounds, Job, Lane, Requeue, deliver

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


@pytest.fixture
def open_lane() -> Iterator[Open]:
    """Opens lanes, each with its gate."""
    opened: list[tuple[Lane[str], Gate]] = []

    def open_one(**more: Any) -> tuple[Lane[str], Gate]:
        gate = Gate()
        lane: Lane[str] = Lane("test", gate, more.pop("bounds", None), **more)
        lane.start()
        opened.append((lane, gate))
        return lane, gate

    yield open_one
    for lane, gate in opened:
        gate.open()
        lane.stop()


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


def test_what_is_handed_back_goes_to_the_head(open_lane: Open) -> None:
    """Jobs handed back come before those that waited, in their order."""
    lane, gate = open_lane()
    gate.verdicts |= {"a": ["again"], "c": ["again"]}

    async def story() -> None:
        first = await begin(lane, gate)
        rest = await put(lane, "a", "b", "c")
        gate.let_one_through()
        await asyncio.to_thread(gate.wait_entered)
        rest += await put(lane, "d")
        gate.open()
        await asyncio.gather(first, *rest)

    run(story())
    assert gate.batches == [["first"], ["a", "b", "c"], ["a", "c", "d"]]


def test_patience_after_three_tries(open_lane: Open) -> None:
    """A job that was handed back more than three times moves to the patient lane."""
    patient, waiting = open_lane()
    lane, gate = open_lane(patient=patient)
    waiting.open()
    gate.open()
    gate.verdicts["a"] = ["again"] * 9
    assert run(lane.submit(Job("a", 1))) == "a"
    assert gate.batches == [["a"]] * 4
    assert waiting.batches == [["a"]]


def test_without_a_patient_lane_it_is_tried_on(open_lane: Open) -> None:
    """The patient lane itself tries as often as it takes."""
    lane, gate = open_lane()
    gate.open()
    gate.verdicts["a"] = ["again"] * 9
    assert run(lane.submit(Job("a", 1))) == "a"
    assert gate.batches == [["a"]] * 10


def test_elsewhere_is_the_heavy_lane(open_lane: Open) -> None:
    """A job that the batch wants elsewhere moves to the heavy lane at once."""
    other, heavy = open_lane()
    lane, gate = open_lane(heavy=other)
    heavy.open()
    gate.open()
    gate.verdicts["a"] = ["elsewhere"]
    assert run(lane.submit(Job("a", 1))) == "a"
    assert (gate.batches, heavy.batches) == ([["a"]], [["a"]])


def test_an_error_fails_its_batch_only(open_lane: Open) -> None:
    """What escapes from executing a batch fails its jobs; the lane goes on."""
    lane, gate = open_lane()
    gate.verdicts["b"] = ["fail"]

    async def story() -> list[Any]:
        first = await begin(lane, gate)
        rest = await put(lane, "a", "b")
        gate.open()
        results = await asyncio.gather(first, *rest, return_exceptions=True)
        return [*results, await lane.submit(Job("c", 1))]

    results = run(story())
    assert [type(r) for r in results] == [str, ZeroDivisionError, ZeroDivisionError, str]


def test_a_failure_in_the_job_is_raised(open_lane: Open) -> None:
    """Where the batch leaves a failure in a job, its caller alone gets it."""

    def execute(jobs: Sequence[Job[str]]) -> Requeue[str]:
        for job in jobs:
            if job.payload == "bad":
                job.failure = Overloaded()
        return Requeue()

    lane: Lane[str] = Lane("test", execute)
    lane.start()

    async def story() -> list[Any]:
        tasks = await put(lane, "good", "bad")
        return await asyncio.gather(*tasks, return_exceptions=True)

    good, bad = run(story())
    lane.stop()
    assert good == "good"
    assert isinstance(bad, Overloaded)


def test_stop_finishes_what_waits(open_lane: Open) -> None:
    """A lane that stops takes nothing new, and executes what it has, handed back or not."""
    lane, gate = open_lane()
    gate.verdicts |= {"a": ["again"], "first": ["again"]}

    async def story() -> list[Any]:
        first = await begin(lane, gate)
        rest = await put(lane, "a", "b")
        stopping = asyncio.create_task(asyncio.to_thread(lane.stop))
        refused = False
        while not refused:
            (late,) = await put(lane, "late")
            await asyncio.wait([late], timeout=0.01)
            refused = late.done()
        assert isinstance(late.exception(), StorageUnavailable)
        gate.open()
        await stopping
        return await asyncio.gather(first, *rest)

    assert run(story()) == ["first", "a", "b"]


def test_stopping_hands_on_to_lanes_that_stop_later(open_lane: Open) -> None:
    """What a stopping lane hands to the patient lane is finished there."""
    patient, waiting = open_lane()
    lane, gate = open_lane(patient=patient)
    gate.verdicts["first"] = ["again"] * 9
    waiting.open()

    async def story() -> str:
        first = await begin(lane, gate)
        gate.open()
        await asyncio.to_thread(lane.stop)
        await asyncio.to_thread(patient.stop)
        return await first

    assert run(story()) == "first"


def test_a_lane_that_never_started_stops(open_lane: Open) -> None:
    """Stopping a lane that was not started ends at once, and it takes nothing."""
    lane: Lane[str] = Lane("test", Gate())
    lane.stop()
    with pytest.raises(StorageUnavailable):
        run(lane.submit(Job("a", 1)))


def test_a_closed_loop_does_not_stop_the_lane(open_lane: Open) -> None:
    """Results for an event loop that has closed meanwhile are dropped; the lane goes on."""
    lane, gate = open_lane()

    async def leave() -> None:
        await begin(lane, gate)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.close()
    gate.open()
    assert run(lane.submit(Job("a", 1))) == "a"
    deliver([Job("b", 1)])
