"""The way to the service: what is passed on, and what its failures become."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from points.v1 import expire_pb2, lookup_pb2
from points_grpc.gateway import upstream
from points_grpc.gateway.errors import UpstreamRefusal, refusal_of
from points_grpc.gateway.upstream import METHODS, Channel, Inbound

EXPIRE = "points.v1.PointsService/Expire"
Behaviour = Callable[[bytes, Any], Awaitable[bytes]]


def ask(behaviour: Behaviour | None, inbound: Inbound = Inbound(), **expire: Any) -> Any:  # noqa: B008
    """The answer to an Expire of a service that behaves so; without one of a port with nobody."""

    async def main() -> Any:
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        if behaviour is not None:
            handler = grpc.unary_unary_rpc_method_handler(behaviour)
            service, _, method = EXPIRE.partition("/")
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {method: handler}),)
            )
        await server.start()
        if behaviour is None:
            await server.stop(None)
        try:
            async with asyncio.timeout(20), Channel(f"127.0.0.1:{port}") as channel:
                return await channel.call(EXPIRE, expire_pb2.ExpireRequest(**expire), inbound)
        finally:
            await server.stop(None)

    return asyncio.run(main())


def refused(behaviour: Behaviour | None, inbound: Inbound = Inbound()) -> UpstreamRefusal:  # noqa: B008
    with pytest.raises(UpstreamRefusal) as caught:
        ask(behaviour, inbound)
    return caught.value


def status(code: str, *details: Message) -> status_pb2.Status:
    made = status_pb2.Status(code=code_pb2.Code.Value(code), message="Said by the service.")
    for detail in details:
        made.details.add().Pack(detail)
    return made


def aborting(code: str, said: str, *details: Message) -> Behaviour:
    async def behave(_: bytes, context: Any) -> bytes:
        rich = status(code, *details).SerializeToString()
        trailers = (("grpc-status-details-bin", rich),) if details else ()
        await context.abort(grpc.StatusCode[code], said, trailers)
        raise AssertionError

    return behave


def info(reason: str, **facts: str) -> Message:
    return error_details_pb2.ErrorInfo(reason=reason, domain="points-grpc", metadata=facts)


def test_the_answer_comes_back() -> None:
    """A request reaches the service as it is, and so does its answer."""

    async def echo(raw: bytes, _: Any) -> bytes:
        asked = expire_pb2.ExpireRequest.FromString(raw)
        return expire_pb2.ExpireResponse(settled=asked.amount).SerializeToString()

    assert ask(echo, amount={"value": "12.5"}).settled.value == "12.5"


def heard(inbound: Inbound) -> dict[str, Any]:
    """The metadata and the remaining time that a call arrives with."""
    seen: dict[str, Any] = {}

    async def listen(_: bytes, context: Any) -> bytes:
        seen.update(context.invocation_metadata())
        seen["remaining"] = context.time_remaining()
        return b""

    ask(listen, inbound)
    return seen


def test_what_goes_along() -> None:
    """Credential, request id, traces and deadline are passed on."""
    seen = heard(Inbound("demo", 3.0, "r-1", "00-abc-def-01", "vendor=1"))
    assert seen["authorization"] == "Bearer demo"
    assert seen["x-request-id"] == "r-1"
    assert (seen["traceparent"], seen["tracestate"]) == ("00-abc-def-01", "vendor=1")
    assert 0 < seen["remaining"] < 3.5  # the runtime rounds a deadline up


def test_a_missing_credential_is_passed_on_as_an_empty_one() -> None:
    """Without a token the service hears an empty bearer, never nothing."""
    seen = heard(Inbound())
    assert seen["authorization"] == "Bearer"
    assert not {"x-request-id", "traceparent", "tracestate"} & seen.keys()


def test_a_refusal_says_all_that_the_service_said() -> None:
    """Code, reason, message, field, facts and the time to wait come out of the status."""
    violation = error_details_pb2.BadRequest.FieldViolation(field="a.b", description="is odd")
    found = refused(
        aborting(
            "INVALID_ARGUMENT",
            "Said by the service.",
            info("INVALID_FIELD", field="a.b", most="7"),
            error_details_pb2.BadRequest(field_violations=[violation]),
            error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2)),
        )
    )
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert (found.message, found.field, found.text) == ("Said by the service.", "a.b", "is odd")
    assert (found.facts, found.retry_s, found.http_status) == ({"most": "7"}, 2.0, 400)
    assert len(found.status().details) == 3


def test_an_item_is_refused_in_the_same_shape() -> None:
    """The status of one item of a batch becomes the same refusal as that of a call."""
    found = refusal_of(status("NOT_FOUND", info("LOT_NOT_FOUND", field="updates[3].lot_id")))
    assert (found.code, found.reason, found.http_status) == ("NOT_FOUND", "LOT_NOT_FOUND", 404)
    assert found.field == "updates[3].lot_id"


@pytest.mark.parametrize(
    ("code", "reason", "http_status"),
    [
        ("INVALID_ARGUMENT", "EXPIRY_IN_PAST", 400),
        ("INVALID_ARGUMENT", "REQUEST_ID_REUSED", 422),
        ("UNAUTHENTICATED", "TOKEN_INVALID", 401),
        ("PERMISSION_DENIED", "SCOPE_MISSING", 403),
        ("NOT_FOUND", "MEMBER_NOT_FOUND", 404),
        ("ALREADY_EXISTS", "IDENTIFIER_TAKEN", 409),
        ("FAILED_PRECONDITION", "INSUFFICIENT_POINTS", 409),
        ("RESOURCE_EXHAUSTED", "OVERLOADED", 429),
        ("UNAVAILABLE", "STORAGE_UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", "", 504),
        ("INTERNAL", "", 500),
    ],
)
def test_every_reason_has_its_http_status(code: str, reason: str, http_status: int) -> None:
    """HTTP statuses are those of the contract's table."""
    assert refusal_of(status(code, info(reason))).http_status == http_status


def test_a_service_that_is_away_is_unavailable() -> None:
    """Nobody listening is UNAVAILABLE, worth another try, and no address is told."""
    found = refused(None)
    assert (found.code, found.http_status, found.retry_s) == ("UNAVAILABLE", 503, 1)
    assert found.message == "The service cannot be reached; try again."


def test_a_call_ends_at_its_deadline() -> None:
    """A service that does not answer in time is DEADLINE_EXCEEDED."""

    async def never(_: bytes, __: Any) -> bytes:
        await asyncio.Event().wait()
        return b""

    found = refused(never, Inbound("demo", 0.05))
    assert (found.code, found.http_status) == ("DEADLINE_EXCEEDED", 504)
    assert found.reason == "DEADLINE_EXCEEDED"
    assert found.facts == {"outcome": "UNKNOWN"}


@pytest.mark.parametrize(
    ("method", "outcome"),
    [("Earn", "UNKNOWN"), ("GetLot", "NOT_APPLIED"), ("ListLots", "NOT_APPLIED")],
)
def test_a_read_that_is_not_answered_has_changed_nothing(method: str, outcome: str) -> None:
    """A deadline that passes here leaves in doubt what may change something, and nothing else."""
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    error: Any = SimpleNamespace(
        trailing_metadata=lambda: None, code=lambda: code, details=lambda: ""
    )
    found = upstream._refusal(error, f"points.v1.PointsService/{method}")
    assert found.facts == {"outcome": outcome}


def test_an_internal_error_shows_its_id_only() -> None:
    """Of an error without details only the service's own words are passed on."""
    known = "internal error " + "0" * 32
    assert refused(aborting("INTERNAL", known)).message == known
    assert refused(aborting("INTERNAL", "at 10.0.0.1: boom")).message == (
        "The service could not answer."
    )


def test_a_method_that_is_not_offered_is_unimplemented() -> None:
    """A service without the method is UNIMPLEMENTED."""

    async def main() -> None:
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with Channel(f"127.0.0.1:{port}") as channel:
                request = lookup_pb2.GetLotRequest(lot_id=1)
                await channel.call("points.v1.PointsService/GetLot", request, Inbound())
        finally:
            await server.stop(None)

    with pytest.raises(UpstreamRefusal) as caught:
        asyncio.run(main())
    assert (caught.value.code, caught.value.http_status) == ("UNIMPLEMENTED", 501)


def test_a_service_that_comes_back_is_found_again() -> None:
    """After the service was away, the channel reaches the next one at its address."""

    async def answer(_: bytes, __: Any) -> bytes:
        return b""

    async def main() -> str:
        with socket.create_server(("127.0.0.1", 0)) as held:
            address = f"127.0.0.1:{held.getsockname()[1]}"
        handler = grpc.unary_unary_rpc_method_handler(answer)
        service, _, method = EXPIRE.partition("/")
        async with asyncio.timeout(20), Channel(address) as channel:
            with pytest.raises(UpstreamRefusal):
                await channel.call(EXPIRE, expire_pb2.ExpireRequest(), Inbound())
            server = grpc.aio.server()
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {method: handler}),)
            )
            server.add_insecure_port(address)
            await server.start()
            while True:
                try:
                    await channel.call(EXPIRE, expire_pb2.ExpireRequest(), Inbound())
                    break
                except UpstreamRefusal:
                    continue
            await server.stop(None)
        return "found"

    assert asyncio.run(main()) == "found"


def test_every_method_of_the_contract_is_known() -> None:
    """The methods are those of the three services and of the test clock."""
    services = {name.partition("/")[0] for name in METHODS}
    assert services == {
        "points.v1.PointsService",
        "points.v1.ProgramService",
        "points.v1.MemberService",
        "points.dev.v1.TestClockService",
    }
