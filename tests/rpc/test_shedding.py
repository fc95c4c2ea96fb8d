"""What the server cannot take is turned away with a reason, and health is answered."""

from __future__ import annotations

import asyncio
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from points.v1 import earn_pb2, lookup_pb2, transaction_status_pb2, update_expiry_pb2
from points_grpc.rpc.interceptors import Request

LOT = lookup_pb2.GetLotRequest(lot_id=2**46)


def test_too_many_calls_are_turned_away_but_not_health(serve, engine, samples):
    """A full server answers OVERLOADED with RetryInfo, goes on answering health, and recovers."""
    held = engine.hold()
    engine.reads = samples.lot

    async def scenario(served):
        running = [asyncio.ensure_future(served.points.GetLot(LOT)) for _ in range(2)]
        for _ in running:
            await held.came.acquire()
        status = await served.refusal(served.points.GetLot(LOT))
        stub = health_pb2_grpc.HealthStub(served.channel)
        await stub.Check(health_pb2.HealthCheckRequest())
        held.go.set()
        await asyncio.gather(*running)
        await served.points.GetLot(LOT)
        return status

    status = serve(scenario, calls_max=2)
    assert (status.code, status.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert status.retry.retry_delay.seconds == 1


def test_a_burst_is_answered_or_turned_away(serve, engine, samples):
    """However many calls arrive at once, each is answered or gets OVERLOADED with RetryInfo."""
    burst, gate, turned_away = 3000, asyncio.Event(), []
    engine.before = gate.wait
    engine.reads = samples.lot

    async def one(served):
        try:
            await served.points.GetLot(LOT)
        except grpc.aio.AioRpcError as error:
            turned_away.append(error)
        if len(turned_away) + len(engine.queries) == burst:
            gate.set()

    async def scenario(served):
        await asyncio.gather(*(one(served) for _ in range(burst)))
        return [await served.refusal(fail(error)) for error in turned_away[:10]]

    async def fail(error):
        raise error

    with capture_logs():
        statuses = serve(scenario, calls_max=100, deadline_s=60.0)
    assert {error.code() for error in turned_away} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert {status.reason for status in statuses} == {"OVERLOADED"}
    assert all(status.retry.retry_delay.seconds == 1 for status in statuses)


@pytest.fixture
def crowd(serve, engine, samples):
    """Sends requests of these many bytes while all earlier ones run; what became of each."""
    held = engine.hold()
    engine.reads = samples.lot

    def run(*sizes, **options):
        async def scenario(served):
            call = served.channel.unary_unary("/points.v1.PointsService/GetLot")
            running, fates = [], []
            for size in sizes:
                sent = asyncio.ensure_future(served.refusal(call(padded(LOT, size))))
                inside = asyncio.ensure_future(held.came.acquire())
                await asyncio.wait((sent, inside), return_when=asyncio.FIRST_COMPLETED)
                fates.append(sent.result().reason if sent.done() else "runs")
                inside.cancel()
                running.append(sent)
            held.go.set()
            await asyncio.wait(running)
            return fates, (await call(padded(LOT, sizes[0]))) != b""

        return serve(scenario, **options)

    return run


def padded(message, size):
    """The bytes of a message, made this long by a field that nobody knows."""
    raw = message.SerializeToString()
    filler = size - len(raw) - 4
    tag, length = b"\x7a", bytes((filler & 127 | 128, filler >> 7 & 127 | 128, filler >> 14))
    return raw + tag + length + b"x" * filler


def test_requests_at_once_have_a_budget_of_bytes(crowd):
    """Calls whose requests are together within the budget run, one byte more is OVERLOADED."""
    fates, recovered = crowd(600, 400, 300, 9000, calls_bytes_max=1000)
    assert fates == ["runs", "runs", "OVERLOADED", "OVERLOADED"]
    assert recovered


def test_a_request_beyond_the_budget_runs_alone(crowd):
    """A request larger than the whole budget runs while no other does, and nothing beside it."""
    fates, _ = crowd(2000, 300, calls_bytes_max=1000)
    assert fates == ["runs", "OVERLOADED"]


def test_what_is_too_much_is_not_even_read(serve, engine, samples):
    """A call that has no room is turned away before its bytes are looked at."""
    held = engine.hold()
    engine.reads = samples.lot

    async def scenario(served):
        running = served.points.GetLot(LOT)
        await held.came.acquire()
        call = served.channel.unary_unary("/points.v1.PointsService/Earn")
        refused = await served.refusal(call(b"\xff" * 64))
        held.go.set()
        await running
        return refused.reason

    assert serve(scenario, calls_bytes_max=64) == "OVERLOADED"


@pytest.mark.parametrize(
    ("method", "request_of_two"),
    [
        ("BatchEarn", earn_pb2.BatchEarnRequest(earns=[{}, {}])),
        ("UpdateExpiry", update_expiry_pb2.UpdateExpiryRequest(updates=[{}, {}])),
        (
            "ApproveTransactions",
            transaction_status_pb2.ApproveTransactionsRequest(transaction_ids=[0, 0]),
        ),
    ],
)
def test_items_that_are_too_many_are_not_read(serve, engine, method, request_of_two):
    """A call of more items than there is room for is turned away before any is looked at."""
    reasons = []

    async def scenario(served):
        for engine.places in (1, 2):
            refused = await served.refusal(getattr(served.points, method)(request_of_two))
            reasons.append(refused.reason)

    serve(scenario)
    assert reasons[0] == "OVERLOADED"
    assert reasons[1] != "OVERLOADED"
    assert len(engine.writes) <= 1


def test_the_bytes_of_a_request_are_handed_over():
    """A request does not keep its bytes when they have been taken, only their number."""
    raw = bytes(range(100))
    before = sys.getrefcount(raw)
    request = Request(raw)
    assert request.take() is raw
    assert (request.size, sys.getrefcount(raw)) == (100, before)


def test_refused_calls_free_their_place(serve):
    """A call that is refused takes no place from those that follow."""

    async def scenario(served):
        empty = update_expiry_pb2.UpdateExpiryRequest()
        return [await served.refusal(served.points.UpdateExpiry(empty)) for _ in range(5)]

    assert {status.reason for status in serve(scenario, calls_max=1)} == {"INVALID_FIELD"}
