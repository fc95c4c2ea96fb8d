"""points.dev.v1.TestClockService: the clock of dev mode."""

from __future__ import annotations

from points.dev.v1 import test_clock_pb2 as pb
from points_grpc.clock import TestClock
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.instants import put_instant, read_instant, required


class TestClockServicer:
    """Shows the clock and moves it forward."""

    __test__ = False

    def __init__(self, clock: TestClock) -> None:
        self._clock = clock

    async def GetClock(  # noqa: N802  # the contract's name
        self, _: pb.GetClockRequest
    ) -> pb.GetClockResponse:
        """The present time."""
        response = pb.GetClockResponse(frozen=self._clock.frozen)
        put_instant(response.time, self._clock.now())
        return response

    async def SetClock(  # noqa: N802  # the contract's name
        self, request: pb.SetClockRequest
    ) -> pb.SetClockResponse:
        """Stop the clock at a later instant. Raises InvalidField."""
        required(request, "time")
        to = read_instant(request.time, "time")
        if not self._clock.set(to):
            raise InvalidField("time", "must not be before the present time")
        response = pb.SetClockResponse(frozen=self._clock.frozen)
        put_instant(response.time, self._clock.now())
        return response
