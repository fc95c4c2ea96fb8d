"""Whatever a call raises, the caller gets an answer and no more than is meant for it."""

from __future__ import annotations

import asyncio
import re

import grpc
import pytest
from structlog.testing import capture_logs

from points.v1 import earn_pb2, lookup_pb2
from points_grpc.errors import InsufficientPoints

SECRET = "postgresql://points:hunter2@db/points"


@pytest.fixture
def get_lot():
    """A call that comes through to the engine."""
    return lambda served: served.points.GetLot(lookup_pb2.GetLotRequest(lot_id=2**46))


@pytest.mark.parametrize("kind", [RuntimeError, TimeoutError, KeyError, BaseException])
def test_an_unforeseen_exception_tells_the_caller_its_id_alone(serve, engine, get_lot, kind):
    """What nobody foresaw is INTERNAL with an error id; its text stays in the log."""

    async def burst():
        raise kind(SECRET)

    engine.before = burst

    async def scenario(served):
        return await served.error(get_lot(served))

    with capture_logs() as logs:
        error = serve(scenario)
    assert error.code() is grpc.StatusCode.INTERNAL
    told = re.fullmatch(r"internal error ([0-9a-f]{32})", error.details())
    assert not [key for key, _ in error.trailing_metadata() if key.startswith("grpc-status")]
    unforeseen = [line for line in logs if line["event"] == "unexpected error"]
    assert [line["error_id"] for line in unforeseen] == [told[1]]
    assert unforeseen[0]["method"] == "points.v1.PointsService/GetLot"
    assert SECRET in str(unforeseen[0]["exc_info"])


def test_a_handler_that_cancels_itself_is_answered(serve, engine, get_lot):
    """A CancelledError that nobody outside asked for is INTERNAL, not silence."""

    async def cancelled():
        raise asyncio.CancelledError

    engine.before = cancelled

    async def scenario(served):
        return await served.error(get_lot(served))

    assert serve(scenario).code() is grpc.StatusCode.INTERNAL


def test_a_caller_who_leaves_is_no_error(serve, engine, get_lot):
    """A call that its caller cancels ends in silence, and the log says CANCELLED."""
    held = engine.hold()

    async def scenario(served):
        call = get_lot(served)
        await held.came.acquire()
        call.cancel()
        await held.ended.wait()

    with capture_logs() as logs:
        serve(scenario)
    assert [(line["event"], line["code"]) for line in logs] == [("call", "CANCELLED")]


def test_malformed_bytes_are_a_bad_request(serve):
    """Bytes that are no message are INVALID_FIELD, also where a text is not Unicode."""

    async def scenario(served):
        earn = served.channel.unary_unary("/points.v1.PointsService/Earn")
        check = served.channel.unary_unary("/grpc.health.v1.Health/Check")
        surrogate = b"\x32\x03\xed\xa0\x80"  # field 6, request_id
        calls = [earn(b"\xff\xff"), earn(surrogate), check(b"\xff")]
        return [await served.refusal(call) for call in calls]

    for status in serve(scenario):
        assert (status.code, status.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")


STREAMS = [
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]


@pytest.mark.parametrize("method", STREAMS)
def test_malformed_bytes_on_a_stream_are_a_bad_request(serve, method):
    """A stream ends with INVALID_FIELD, and no words of the parser's, at bytes of no message."""

    async def scenario(served):
        stream = served.channel.stream_stream(method)()
        await stream.write(b"\xff")
        return await served.refusal(stream.read())

    with capture_logs() as logs:
        status = serve(scenario)
    assert (status.code, status.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert status.fields == [] and "pars" not in status.message
    assert not logs


@pytest.mark.parametrize(
    "method", ["points.v1.PointsService/Earn", "grpc.health.v1.Health/Check", STREAMS[0][1:]]
)
def test_a_call_without_a_message_is_a_bad_request(serve, method):
    """A caller who ends its side without having sent anything is answered all the same."""

    async def scenario(served):
        stream = served.channel.stream_stream(f"/{method}")()
        await stream.done_writing()
        return await served.refusal(stream.read())

    status = serve(scenario)
    assert (status.code, status.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")


def test_an_empty_message_is_a_message(serve, engine, samples):
    """A request of no bytes at all is read as one whose fields are unset."""

    async def scenario(served):
        return await served.refusal(
            served.channel.unary_unary("/points.v1.PointsService/Earn")(b"")
        )

    assert serve(scenario).metadata["field"]


def test_an_answer_that_cannot_be_encoded_is_internal(serve, engine, samples, get_lot):
    """A failure after the engine has answered leaks no more than one before."""
    engine.reads = samples.account

    async def scenario(served):
        return await served.error(get_lot(served))

    with capture_logs():
        error = serve(scenario)
    assert error.details().startswith("internal error ")


def test_an_unknown_method_is_unimplemented(serve):
    """A method that the contract does not have is UNIMPLEMENTED."""

    async def scenario(served):
        return await served.error(served.channel.unary_unary("/points.v1.PointsService/X")(b""))

    assert serve(scenario).code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_partial_answer_is_ok_with_statuses_in_the_body(serve, engine, unpacked):
    """A partial batch answers OK whatever its items' fate; nothing is in the trailers."""
    request = earn_pb2.BatchEarnRequest(return_partial_success=True)
    for number in range(1000):
        earn = request.earns.add(program_id=469)
        earn.member.external_id = f"cust-{number}"
        earn.amount.value = "1"
    engine.refuse = {at: InsufficientPoints("amount") for at in range(1000)}

    async def scenario(served):
        call = served.points.BatchEarn(request)
        response = await call
        return response, await call.trailing_metadata()

    response, trailers = serve(scenario)
    assert not trailers
    fields = [unpacked(result.error).metadata["field"] for result in response.results]
    assert fields == [f"earns[{at}].amount" for at in range(1000)]
