"""The server as a whole: health, reflection, the clock of dev mode, starting and stopping."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from points.dev.v1 import test_clock_pb2
from points.v1 import lookup_pb2
from points_grpc.clock import TestClock
from points_grpc.rpc.auth import NoCredentials
from points_grpc.rpc.server import Backends, Server, ServerOptions, channel_options

SERVICES = ("", "points.v1.PointsService", "points.v1.ProgramService", "points.v1.MemberService")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
LOT = lookup_pb2.GetLotRequest(lot_id=2**46)
GRACE_S = 600


async def check(served, service=""):
    """The status that health tells of a service."""
    stub = health_pb2_grpc.HealthStub(served.channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return response.status


def watch(served, service=""):
    """A watch of a service."""
    stub = health_pb2_grpc.HealthStub(served.channel)
    return stub.Watch(health_pb2.HealthCheckRequest(service=service))


# Health


def test_every_service_is_not_serving_until_told(serve):
    """Health begins as NOT_SERVING and follows `set_serving`, for each service and the whole."""

    async def scenario(served):
        seen = [{await check(served, service) for service in SERVICES}]
        for serving in (True, False):
            served.server.set_serving(serving)
            seen.append({await check(served, service) for service in SERVICES})
        return seen

    assert serve(scenario) == [{NOT_SERVING}, {SERVING}, {NOT_SERVING}]


def test_health_does_not_know_other_services(serve):
    """A service that is not served is NOT_FOUND to check and SERVICE_UNKNOWN to watch."""

    async def scenario(served):
        error = await served.error(check(served, "points.dev.v1.TestClockService"))
        return error.code(), (await watch(served, "nobody").read()).status

    assert serve(scenario) == (grpc.StatusCode.NOT_FOUND, UNKNOWN)


def test_a_watch_tells_every_change(serve):
    """A watcher gets the present status, then each other one, and nothing twice."""

    async def scenario(served):
        watching = watch(served, "points.v1.PointsService")
        seen = [(await watching.read()).status]
        for serving in (True, True, False, True):
            changes = serving != (seen[-1] == SERVING)
            served.server.set_serving(serving)
            if changes:
                seen.append((await watching.read()).status)
        return seen

    assert serve(scenario) == [NOT_SERVING, SERVING, NOT_SERVING, SERVING]


# Stopping


def test_stop_does_not_wait_for_watches_and_reflection(serve):
    """Open streams of health and reflection end at once when the server stops."""

    async def scenario(served):
        served.server.set_serving(True)
        watching, other = watch(served), watch(served, "nobody")
        await watching.read()
        await other.read()
        reflecting = reflect(served.channel)
        await reflecting.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        await reflecting.read()
        before = time.monotonic()
        await served.server.stop(GRACE_S)
        took = time.monotonic() - before
        last = (await watching.read()).status
        return took, last, [await stream.read() for stream in (watching, other, reflecting)]

    took, last, ends = serve(scenario)
    assert took < GRACE_S / 60
    assert last == NOT_SERVING
    assert ends == [grpc.aio.EOF] * 3


def test_stop_lets_running_calls_finish(serve, engine, samples):
    """What runs when the server stops is answered; health says NOT_SERVING first."""
    held = engine.hold()
    engine.reads = samples.lot

    async def scenario(served):
        served.server.set_serving(True)
        watching = watch(served)
        await watching.read()
        running = asyncio.ensure_future(served.points.GetLot(LOT))
        await held.came.acquire()
        stopping = asyncio.ensure_future(served.server.stop(GRACE_S))
        status = (await watching.read()).status
        before = running.done(), stopping.done()
        held.go.set()
        await stopping
        await served.server.wait_stopped()
        return status, before, (await running).lot.lot_id

    assert serve(scenario) == (NOT_SERVING, (False, False), samples.lot.lot_id)


def test_stop_cancels_what_outlasts_the_grace(serve, engine):
    """A call that does not end within the grace is cancelled."""
    held = engine.hold()

    async def scenario(served):
        running = asyncio.ensure_future(served.error(served.points.GetLot(LOT)))
        await held.came.acquire()
        await served.server.stop(0.01)
        await held.ended.wait()
        return (await running).code()

    assert serve(scenario) is not grpc.StatusCode.OK


def test_nothing_serves_again_once_stopping(serve):
    """After the stop has begun `set_serving` has no effect."""

    async def scenario(served):
        await served.server.stop(0)
        served.server.set_serving(True)
        return await served.server._health.Check(health_pb2.HealthCheckRequest())

    assert serve(scenario).status == NOT_SERVING


# Starting


def test_two_servers_cannot_share_a_port(serve):
    """A port that is taken is an error, not silently shared."""

    async def scenario(served):
        options = ServerOptions(address=f"127.0.0.1:{served.server.port}")
        rival = Server(Backends(served.engine, None, None), NoCredentials(), options)
        with pytest.raises(RuntimeError):
            await rival.start()

    serve(scenario)


def test_a_request_over_the_limit_is_refused(serve):
    """A request larger than the limit is RESOURCE_EXHAUSTED and does not reach the engine."""

    async def scenario(served):
        call = served.channel.unary_unary("/points.v1.PointsService/Earn")
        return await served.error(call(b"\0" * 2048))

    assert serve(scenario, request_bytes_max=1024).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_frequent_honest_pings_are_tolerated():
    """The server accepts keepalive pings every ten seconds, without calls as well."""
    options = dict(channel_options(ServerOptions(connection_age_s=7, connection_age_grace_s=3)))
    assert options["grpc.http2.min_ping_interval_without_data_ms"] == 10_000
    assert options["grpc.http2.min_recv_ping_interval_without_data_ms"] == 10_000
    assert options["grpc.keepalive_permit_without_calls"] == 1
    assert options["grpc.so_reuseport"] == 0
    assert options["grpc.max_connection_age_ms"] == 7000
    assert options["grpc.max_connection_age_grace_ms"] == 3000


# Reflection


def reflect(channel, version="v1alpha"):
    """A stream of reflection."""
    return channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_names_the_services_and_their_files(serve, version):
    """Both versions of reflection list the services and give their files."""
    ask = reflection_pb2.ServerReflectionRequest

    async def scenario(served):
        stream = reflect(served.channel, version)
        await stream.write(ask(list_services=""))
        names = {service.name for service in (await stream.read()).list_services_response.service}
        await stream.write(ask(file_containing_symbol="points.v1.PointsService"))
        files = (await stream.read()).file_descriptor_response.file_descriptor_proto
        await stream.done_writing()
        return names, files, await stream.read()

    names, files, end = serve(scenario)
    assert names >= {*SERVICES[1:], "grpc.health.v1.Health"}
    assert "points.dev.v1.TestClockService" not in names
    assert files and end is grpc.aio.EOF


# The clock of dev mode


def at(instant):
    """A SetClock request."""
    request = test_clock_pb2.SetClockRequest()
    request.time.FromDatetime(instant)
    return request


def test_the_clock_moves_forward_only(serve, clock):
    """SetClock moves to the present or later; one microsecond before it is INVALID_FIELD."""
    now = clock.now()
    later = now + timedelta(days=365)

    async def scenario(served):
        await served.clock.SetClock(at(now))
        moved = await served.clock.SetClock(at(later))
        back = await served.refusal(served.clock.SetClock(at(later - timedelta(microseconds=1))))
        return moved, back, await served.clock.GetClock(test_clock_pb2.GetClockRequest())

    moved, back, shown = serve(scenario, backends={"test_clock": clock})
    assert (back.reason, back.metadata) == ("INVALID_FIELD", {"field": "time"})
    assert moved.frozen and shown.frozen
    assert moved.time == shown.time == at(later).time
    assert clock.now() == later


def test_the_clock_needs_a_time(serve, clock):
    """SetClock without a time, or with one that does not exist, is INVALID_FIELD."""
    bad = test_clock_pb2.SetClockRequest(time=Timestamp(seconds=2**40))

    async def scenario(served):
        requests = (test_clock_pb2.SetClockRequest(), bad)
        return [await served.refusal(served.clock.SetClock(one)) for one in requests]

    fields = [status.metadata for status in serve(scenario, backends={"test_clock": clock})]
    assert fields == [{"field": "time"}] * 2


@pytest.mark.parametrize("start", [None, datetime(2022, 1, 1, tzinfo=UTC)])
def test_the_clock_says_whether_it_stands(serve, start):
    """GetClock says whether the clock was set, at the start or since."""
    clock = TestClock(start)

    async def scenario(served):
        before = await served.clock.GetClock(test_clock_pb2.GetClockRequest())
        await served.clock.SetClock(at(clock.now() + timedelta(days=1)))
        after = await served.clock.GetClock(test_clock_pb2.GetClockRequest())
        return before.frozen, after.frozen

    frozen = start is not None
    assert serve(scenario, backends={"test_clock": clock}) == (frozen, True)


def test_there_is_no_clock_service_outside_dev_mode(serve):
    """Without a test clock the service is not registered."""

    async def scenario(served):
        call = served.clock.GetClock(test_clock_pb2.GetClockRequest())
        return (await served.error(call)).code()

    assert serve(scenario) is grpc.StatusCode.UNIMPLEMENTED
