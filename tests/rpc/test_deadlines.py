"""Deadlines: whose counts, and what becomes of a call that reaches it."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from structlog.testing import capture_logs

from points.v1 import lookup_pb2
from points_grpc import effects
from points_grpc.errors import DeadlineExceeded
from points_grpc.rpc.interceptors.deadline import STEP_SECONDS, Deadline
from points_grpc.rpc.interceptors.errors import DETAILS_KEY

LOT = lookup_pb2.GetLotRequest(lot_id=2**46)


class Context:
    """A call with so many seconds left."""

    def __init__(self, remaining):
        self.remaining = remaining

    def time_remaining(self):
        return self.remaining


async def answer(request, context):
    return request


async def linger(request, context):
    await asyncio.Event().wait()


@pytest.mark.parametrize("timeout", [None, 60])
def test_the_server_ends_what_takes_too_long(serve, engine, timeout):
    """A call ends with DEADLINE_EXCEEDED at the server's limit, if the caller's is no sooner."""
    held = engine.hold()

    async def scenario(served):
        return await served.error(served.points.GetLot(LOT, timeout=timeout))

    with capture_logs() as lines:
        error = serve(scenario, deadline_s=0.01, deadline_max_s=0.01)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert held.ended.is_set()
    assert [line["code"] for line in lines] == ["DEADLINE_EXCEEDED"]


@pytest.mark.parametrize("possible", [True, False])
def test_it_says_whether_the_call_may_have_taken_effect(possible):
    """A call that is ended tells of its change: handed on, so that nobody knows, or not at all."""

    async def change(request, context):
        effects.set_possible(True)
        effects.set_possible(possible)
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceeded) as ended:
        asyncio.run(Deadline(0.01, 120).wrap("/a/B", change)("asked", Context(None)))
    assert ended.value.facts == {"outcome": "UNKNOWN" if possible else "NOT_APPLIED"}


def test_the_outcome_gets_to_the_caller(serve, engine):
    """A call whose own deadline passes is answered before it, with the reason and the outcome."""
    engine.hold()

    async def scenario(served):
        return await served.error(served.points.GetLot(LOT, timeout=1))

    error = serve(scenario)
    (details,) = [value for key, value in error.trailing_metadata() if key == DETAILS_KEY]
    status = status_pb2.Status.FromString(details)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, dict(info.metadata)) == ("DEADLINE_EXCEEDED", {"outcome": "NOT_APPLIED"})
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_callers_own_deadline_counts(serve, engine):
    """A caller's deadline that is sooner than the server's ends the work."""
    held = engine.hold()

    async def scenario(served):
        error = await served.error(served.points.GetLot(LOT, timeout=0.05))
        await held.ended.wait()
        return error

    assert serve(scenario, deadline_s=1000).code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("own", "counts"),
    [(None, 10), (0.5, 0.5), (9, 8.95), (60, 59.95), (120, 119.95), (121, 120), (0.6, 0.55)],
)
def test_a_calls_own_deadline_beats_the_default_up_to_the_longest(monkeypatch, own, counts):
    """The default deadline is for calls that have none, and none counts beyond the longest.

    The caller's own ends a call a little before, where it is no short one.
    """
    given = []

    async def story():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: 1000.0)
        monkeypatch.setattr(loop, "call_at", lambda when, *_: given.append(when - 1000))
        handle = Deadline(10, 120).wrap("/a/B", answer)
        return await handle("asked", Context(own))

    assert asyncio.run(story()) == "asked"
    assert [counts < seconds <= counts + STEP_SECONDS * 1.01 for seconds in given] == [True]


def test_calls_of_one_instant_share_a_timer_and_end_each():
    """Of calls whose time is up together each ends, and those that had ended are left alone."""

    async def story():
        deadline = Deadline(0, 120)
        handle = deadline.wrap("/a/B", linger)
        done = asyncio.create_task(end_then_linger(deadline.wrap("/a/B", answer)))
        late = [asyncio.create_task(handle(None, Context(None))) for _ in range(3)]
        fates = await asyncio.gather(*late, return_exceptions=True)
        left_alone = not done.done()
        done.cancel()
        return [type(fate) for fate in fates], left_alone

    async def end_then_linger(handle):
        await handle(None, Context(None))
        await asyncio.Event().wait()

    assert asyncio.run(story()) == ([DeadlineExceeded] * 3, True)


def test_a_call_that_was_ended_is_not_being_cancelled_any_more():
    """Who answers a call that took too long can await things, as in any other call."""

    async def story():
        with pytest.raises(DeadlineExceeded):
            await Deadline(0, 120).wrap("/a/B", linger)(None, Context(None))
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    assert asyncio.run(story()) == 0


def test_a_caller_who_leaves_late_has_left():
    """A call that is cancelled from outside as its time is up counts as cancelled."""

    async def leave(request, context):
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.current_task().cancel()

    async def story():
        handle = Deadline(0, 120).wrap("/a/B", leave)
        await asyncio.create_task(handle(None, Context(None)))

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())


def test_a_failure_as_time_is_up_is_told_as_it_is():
    """A call that fails for itself while it is being ended keeps its own failure."""

    async def burst(request, context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KeyError from None

    async def story():
        await Deadline(0, 120).wrap("/a/B", burst)(None, Context(None))

    with pytest.raises(KeyError):
        asyncio.run(story())
