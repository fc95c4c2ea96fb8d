"""Authentication, the log line, deadlines and shedding."""

from __future__ import annotations

import asyncio
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from points.v1 import earn_pb2, listing_pb2, lookup_pb2, update_expiry_pb2
from points_grpc.domain.commands import Caller
from points_grpc.domain.queries import Page
from points_grpc.errors import LotNotFound, TokenInvalid
from points_grpc.rpc.interceptors import Request
from points_grpc.rpc.interceptors.context import NoCredentials
from points_grpc.rpc.interceptors.deadline import Deadline

LOT = lookup_pb2.GetLotRequest(lot_id=2**46)


class Tokens:
    """An authenticator that knows two tokens."""

    def authenticate(self, metadata):
        tenant = dict(metadata).get("authorization", "").removeprefix("Bearer ")
        if tenant not in ("acme", "rival"):
            raise TokenInvalid
        return Caller(len(tenant), tenant, f"key of {tenant}")


def earn(number):
    request = earn_pb2.EarnRequest(program_id=469)
    request.member.external_id = f"cust-{number}"
    request.amount.value = "1"
    return request


# Authentication


def test_dev_mode_needs_no_credential(serve, engine):
    """In dev mode a call without a credential is the demo tenant's."""
    serve(lambda served: served.points.Earn(earn(1)))
    assert (engine.writes[0].caller.tenant, engine.writes[0].caller.principal) == ("demo", "dev")


@pytest.mark.parametrize("credential", ["Bearer demo", "bearer demo"])
def test_dev_mode_takes_its_own_token(serve, engine, credential):
    """In dev mode the token demo is the demo tenant's, for those who cannot call without one."""

    async def scenario(served):
        await served.points.Earn(earn(1), metadata=(("authorization", credential),))

    serve(scenario)
    assert engine.writes[0].caller.tenant == "demo"


@pytest.mark.parametrize(
    "credentials",
    [["Bearer x"], ["Bearer"], ["Bearer Demo"], ["Basic demo"], ["demo"], ["Bearer demo", "x"]],
)
def test_dev_mode_refuses_a_credential_it_cannot_check(serve, engine, credentials):
    """A credential that nobody can check is not taken for a good one, nor is an empty one."""

    async def scenario(served):
        metadata = [("authorization", credential) for credential in credentials]
        return await served.refusal(served.points.Earn(earn(1), metadata=metadata))

    assert serve(scenario).reason == "TOKEN_INVALID"
    assert not engine.writes


def test_without_credentials_nobody_gets_in(serve):
    """Outside dev mode, without credentials to check, every call is UNAUTHENTICATED."""

    async def scenario(served):
        return await served.refusal(served.points.Earn(earn(1)))

    status = serve(scenario, authenticator=NoCredentials())
    assert (status.code, status.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


def test_calls_at_once_keep_their_callers(serve, engine):
    """Calls that run at the same time each see their own caller."""
    both = asyncio.Barrier(2)
    engine.before = both.wait

    async def scenario(served):
        def call(tenant):
            return served.points.Earn(earn(1), metadata=(("authorization", f"Bearer {tenant}"),))

        return await asyncio.gather(call("acme"), call("rival"))

    answers = serve(scenario, authenticator=Tokens())
    assert [answer.account.tenant for answer in answers] == ["acme", "rival"]


def test_health_needs_no_credential(serve):
    """Health answers whoever asks."""

    async def scenario(served):
        stub = health_pb2_grpc.HealthStub(served.channel)
        return await stub.Check(health_pb2.HealthCheckRequest())

    assert serve(scenario, authenticator=NoCredentials()).status


# The log


def test_each_call_is_one_line(serve, engine, samples):
    """One line per call: method, code, reason, duration, items and tenant, and nothing else."""
    engine.page = Page((samples.lot, samples.lot, samples.lot), ())
    lots = listing_pb2.ListLotsRequest()
    lots.member.external_id = "cust-1"

    async def scenario(served):
        await served.points.Earn(earn(1))
        await served.points.BatchEarn(earn_pb2.BatchEarnRequest(earns=[earn(1), earn(2)]))
        await served.points.ListLots(lots)
        engine.before = refuse
        await served.refusal(served.points.GetLot(LOT))

    async def refuse():
        raise LotNotFound("lot_id")

    with capture_logs() as lines:
        serve(scenario)
    known = {"event", "log_level", "method", "code", "reason", "duration_ms", "items", "tenant"}
    assert all(set(line) == known for line in lines)
    assert [
        (line["method"].rpartition("/")[2], line["code"], line["reason"], line["items"])
        for line in lines
    ] == [
        ("Earn", "OK", "", 1),
        ("BatchEarn", "OK", "", 2),
        ("ListLots", "OK", "", 3),
        ("GetLot", "NOT_FOUND", "LOT_NOT_FOUND", 1),
    ]
    assert {line["tenant"] for line in lines} == {"demo"}
    assert all(line["duration_ms"] >= 0 for line in lines)


def test_the_log_has_no_payload(serve):
    """Neither people's identifiers nor request ids nor texts get into the log."""
    request = earn(1)
    request.request_id = request.description = request.reference = "tell-tale"

    async def scenario(served):
        await served.points.Earn(request)
        request.amount.value = "tell-tale"
        await served.refusal(served.points.Earn(request))

    with capture_logs() as lines:
        serve(scenario)
    assert len(lines) == 2
    assert "tell-tale" not in str(lines) and "cust-1" not in str(lines)


def test_health_is_not_logged(serve):
    """Health checks leave no line."""

    async def scenario(served):
        stub = health_pb2_grpc.HealthStub(served.channel)
        await stub.Check(health_pb2.HealthCheckRequest())

    with capture_logs() as lines:
        serve(scenario)
    assert lines == []


# Deadlines


@pytest.mark.parametrize("timeout", [None, 60])
def test_the_server_ends_what_takes_too_long(serve, engine, timeout):
    """A call ends with DEADLINE_EXCEEDED at the server's limit, if the caller's is no sooner."""
    cancelled = []

    async def linger():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    engine.before = linger

    async def scenario(served):
        return await served.error(served.points.GetLot(LOT, timeout=timeout))

    with capture_logs() as lines:
        error = serve(scenario, deadline_s=0.01, deadline_max_s=0.01)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert cancelled == [True]
    assert [line["code"] for line in lines] == ["DEADLINE_EXCEEDED"]


def test_the_callers_own_deadline_counts(serve, engine):
    """A caller's deadline that is sooner than the server's ends the work."""
    cancelled = asyncio.Event()

    async def linger():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    engine.before = linger

    async def scenario(served):
        error = await served.error(served.points.GetLot(LOT, timeout=0.05))
        await cancelled.wait()
        return error

    assert serve(scenario, deadline_s=1000).code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(("own", "counts"), [(None, 10), (9, 9), (60, 60), (120, 120), (121, 120)])
def test_a_calls_own_deadline_beats_the_default_up_to_the_longest(monkeypatch, own, counts):
    """The default deadline is for calls that have none, and none counts beyond the longest."""
    given = []

    def timeout(seconds):
        given.append(seconds)
        return real(seconds)

    real = asyncio.timeout
    monkeypatch.setattr("points_grpc.rpc.interceptors.deadline.asyncio.timeout", timeout)

    class Context:
        def time_remaining(self):
            return own

    async def answer(request, context):
        return request

    handle = Deadline(10, 120).wrap("/a/B", answer)
    assert asyncio.run(handle("asked", Context())) == "asked"
    assert given == [counts]


# Shedding


def test_too_many_calls_are_turned_away_but_not_health(serve, engine, samples):
    """A full server answers OVERLOADED with RetryInfo, goes on answering health, and recovers."""
    inside, gate = asyncio.Semaphore(0), asyncio.Event()

    async def queue():
        inside.release()
        await gate.wait()

    engine.before = queue
    engine.reads = samples.lot

    async def scenario(served):
        running = [asyncio.ensure_future(served.points.GetLot(LOT)) for _ in range(2)]
        for _ in running:
            await inside.acquire()
        status = await served.refusal(served.points.GetLot(LOT))
        stub = health_pb2_grpc.HealthStub(served.channel)
        await stub.Check(health_pb2.HealthCheckRequest())
        gate.set()
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
        statuses = serve(scenario, calls_max=100)
    assert {error.code() for error in turned_away} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert {status.reason for status in statuses} == {"OVERLOADED"}
    assert all(status.retry.retry_delay.seconds == 1 for status in statuses)


@pytest.fixture
def crowd(serve, engine, samples):
    """Sends requests of these many bytes while all earlier ones run; what became of each."""
    entered, gate = asyncio.Semaphore(0), asyncio.Event()

    async def queue():
        entered.release()
        await gate.wait()

    engine.before = queue
    engine.reads = samples.lot

    def run(*sizes, **options):
        async def scenario(served):
            call = served.channel.unary_unary("/points.v1.PointsService/GetLot")
            running, fates = [], []
            for size in sizes:
                sent = asyncio.ensure_future(served.refusal(call(padded(LOT, size))))
                inside = asyncio.ensure_future(entered.acquire())
                await asyncio.wait((sent, inside), return_when=asyncio.FIRST_COMPLETED)
                fates.append(sent.result().reason if sent.done() else "runs")
                inside.cancel()
                running.append(sent)
            gate.set()
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


def test_what_is_too_much_is_not_even_read(serve, engine):
    """A call that has no room is turned away before its bytes are looked at."""
    entered, gate = asyncio.Event(), asyncio.Event()

    async def queue():
        entered.set()
        await gate.wait()

    engine.before = queue

    async def scenario(served):
        running = served.points.Earn(earn(1))
        await entered.wait()
        call = served.channel.unary_unary("/points.v1.PointsService/Earn")
        refused = await served.refusal(call(b"\xff" * 64))
        gate.set()
        await running
        return refused.reason

    assert serve(scenario, calls_bytes_max=64) == "OVERLOADED"


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
