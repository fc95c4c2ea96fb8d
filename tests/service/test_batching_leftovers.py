"""Lanes: what a batch hands back, errors, and how a lane stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.support.service.lanes import Gate, Open, begin, put, run

from points_grpc.errors import Overloaded, StorageUnavailable
from points_grpc.service.batching import Job, Lane, Requeue, deliver


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
