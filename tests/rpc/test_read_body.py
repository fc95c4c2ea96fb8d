"""Requests are read from whoever has been let in, and not for ever."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from points_grpc.rpc import methods, server
from points_grpc.rpc.auth import NoCredentials

GET_LOT = "/points.v1.PointsService/GetLot"
CHECK = "/grpc.health.v1.Health/Check"


def silent(served, method):
    """A call that is opened, and in which nothing is sent."""

    async def nothing():
        await asyncio.Event().wait()
        yield b""

    return served.channel.stream_unary(method)(nothing())


def test_who_is_not_let_in_need_not_send_a_request(serve):
    """A call without a valid credential ends before any of its request has come."""

    async def scenario(served):
        return await served.error(silent(served, GET_LOT))

    assert serve(scenario, NoCredentials()).code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_large_request_is_refused_in_the_same_words(serve):
    """Who is refused while a large request is on its way learns why."""

    async def scenario(served):
        call = served.channel.unary_unary(GET_LOT)
        return [(await served.error(call(bytes(15 * 2**20)))).code() for _ in range(5)]

    assert set(serve(scenario, NoCredentials())) == {grpc.StatusCode.UNAUTHENTICATED}


@pytest.mark.parametrize("method", [GET_LOT, CHECK])
def test_a_request_that_does_not_come_is_given_up(serve, method):
    """A call in which nothing is sent ends with the server's deadline, health checks too."""

    async def scenario(served):
        return await served.error(silent(served, method))

    assert serve(scenario, deadline_s=0.05).code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_streams_are_bounded(serve, monkeypatch):
    """Beyond a number of open watches more are refused, until one of them ends."""
    monkeypatch.setattr(methods, "STREAMS_MAX", 2)

    async def scenario(served):
        watch = health_pb2_grpc.HealthStub(served.channel).Watch
        open_ones = [watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for stream in open_ones:
            await stream.read()
        refused = await served.error(watch(health_pb2.HealthCheckRequest()).read())
        open_ones[0].cancel()
        while True:  # until the server has noticed
            with contextlib.suppress(grpc.aio.AioRpcError):
                return refused.code(), await watch(health_pb2.HealthCheckRequest()).read()

    code, answer = serve(scenario)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_connection_has_so_many_calls_at_most(serve):
    """A connection is told how many calls it may have at once, which bounds its floods too."""

    async def scenario(served):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
        head = await reader.readexactly(9)
        settings = await reader.readexactly(int.from_bytes(head[:3]))
        writer.close()
        assert head[3] == 4  # SETTINGS
        pairs = [settings[at : at + 6] for at in range(0, len(settings), 6)]
        return {int.from_bytes(pair[:2]): int.from_bytes(pair[2:]) for pair in pairs}

    assert serve(scenario)[3] == server.STREAMS_MAX
