"""Rates of tenants, and how much metadata a call may have."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from points.v1 import lookup_pb2
from points_grpc.domain.auth import SCOPES, Grant
from points_grpc.domain.commands import Caller
from points_grpc.errors import Overloaded
from points_grpc.rpc.interceptors.auth import Authentication
from points_grpc.rpc.interceptors.rate_limit import RateLimit

LOT = lookup_pb2.GetLotRequest(lot_id=2**46)


class Till:
    """Calls of tenants, each through a limit, at a time that stands until it is set."""

    def __init__(self, per_second, burst=0):
        self.now = 0.0
        self.tenant = 1
        rates = RateLimit(per_second, burst, lambda: self.now)
        self.handle = Authentication(self).wrap("a.B/C", rates.wrap("a.B/C", self.answer))

    async def authenticate(self, context):
        return Grant(Caller(self.tenant, "", ""), frozenset(SCOPES))

    async def answer(self, request, context):
        return b""

    def calls(self, count, tenant=1):
        """How many of so many calls at once are let through."""
        self.tenant = tenant
        return sum(self.wait() == 0 for _ in range(count))

    def wait(self):
        """0 where a call is let through, else the seconds that its refusal tells."""
        try:
            asyncio.run(self.handle(None, None))
        except Overloaded as refusal:
            return refusal.retry_s
        return 0


@pytest.mark.parametrize(
    ("per_second", "burst", "at_once"), [(5, 0, 5), (5, 8, 8), (5, 1, 1), (0.1, 0, 1), (2.5, 0, 3)]
)
def test_a_bucket_holds_so_many(per_second, burst, at_once):
    """At once as many calls as the burst are let through, without one those of a second."""
    assert Till(per_second, burst).calls(at_once + 3) == at_once


def test_tokens_fall_at_the_rate():
    """After a time as many more calls are let through as fell into the bucket, and no more."""
    till = Till(10, 20)
    assert till.calls(30) == 20
    till.now = 0.5
    assert till.calls(30) == 5
    till.now = 1000
    assert till.calls(30) == 20


def test_a_refusal_tells_when_the_next_token_falls():
    """The refusal says how long the wait is; after that wait the call is let through."""
    till = Till(2, 1)
    assert till.calls(1) == 1
    assert till.wait() == pytest.approx(0.5)
    till.now = 0.25
    assert till.wait() == pytest.approx(0.25)
    till.now = 0.5
    assert till.wait() == 0


def test_tenants_do_not_share():
    """What one tenant uses up is not another's."""
    till = Till(1, 2)
    assert till.calls(5) == 2
    assert till.calls(5, tenant=2) == 2


def test_the_server_limits_where_it_is_told_to(serve, engine, samples):
    """A call beyond the rate is OVERLOADED, with RetryInfo; without a rate there is no limit."""
    engine.reads = samples.lot

    async def scenario(served):
        await served.points.GetLot(LOT)
        try:
            await served.points.GetLot(LOT)
        except grpc.aio.AioRpcError as error:
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            for detail in rpc_status.from_call(_Call(error)).details:
                _ = detail.Unpack(info) or detail.Unpack(retry)
            return error.code().name, info.reason, retry.retry_delay.seconds
        return None

    told = serve(scenario, tenant_calls_per_s=0.001)
    assert told[:2] == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert 990 <= told[2] <= 1000
    assert serve(scenario) is None


class _Call:
    """What grpc_status reads of an error."""

    def __init__(self, error):
        self.code, self.details = error.code, error.details
        self.trailing_metadata = lambda: [(k, v) for k, v in error.trailing_metadata()]


@pytest.mark.parametrize(("length", "code"), [(12_000, "OK"), (20_000, "RESOURCE_EXHAUSTED")])
def test_metadata_is_limited(serve, engine, samples, length, code):
    """Metadata of up to 16 KiB is read, more is refused by the runtime, always."""
    engine.reads = samples.lot

    async def scenario(served):
        outcomes = set()
        for _ in range(5):
            try:
                await served.points.GetLot(LOT, metadata=(("x-more", "x" * length),))
                outcomes.add("OK")
            except grpc.aio.AioRpcError as error:
                outcomes.add(error.code().name)
        return outcomes

    assert serve(scenario) == {code}


def test_reflection_is_only_there_where_it_is_wanted(serve):
    """A server that was not asked to tells nobody what it can do."""

    async def scenario(served):
        name = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        return await served.error(served.channel.stream_unary(name)(iter([b""])))

    assert serve(scenario, reflection=False).code() is grpc.StatusCode.UNIMPLEMENTED
