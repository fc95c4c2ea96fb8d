"""A real server and channel before a fake service, and sample resources."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from tests.support.rpc.jwt_issuer import (
    RSA_KEY,
    Issuer,
    pem,
)
from tests.support.rpc.recording_service import Book
from tests.support.rpc.sample_engine import NOW, FakeEngine, Samples

from points.dev.v1 import test_clock_pb2_grpc
from points.v1 import (
    member_service_pb2_grpc,
    points_service_pb2_grpc,
    program_service_pb2_grpc,
)
from points_grpc.clock import TestClock
from points_grpc.domain.commands import Caller
from points_grpc.errors import InvalidField
from points_grpc.rpc.auth.development import DevAuthenticator
from points_grpc.rpc.server import Backends, Server, ServerOptions

CALLER = Caller(7, "demo", "dev", 469)


class Served:
    """A running server, a channel to it and what stands behind it."""

    def __init__(self, server: Server, channel: grpc.aio.Channel, engine: FakeEngine) -> None:
        self.server = server
        self.channel = channel
        self.engine = engine
        self.points = points_service_pb2_grpc.PointsServiceStub(channel)
        self.programs = program_service_pb2_grpc.ProgramServiceStub(channel)
        self.members = member_service_pb2_grpc.MemberServiceStub(channel)
        self.clock = test_clock_pb2_grpc.TestClockServiceStub(channel)

    @staticmethod
    async def error(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
        """The error that the call ends with."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return caught.value

    async def refusal(self, call: Awaitable[Any]) -> SimpleNamespace:
        """The rich status that the call ends with, unpacked."""
        error = await self.error(call)
        trailers = dict(error.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        assert (status.code, status.message) == (error.code().value[0], error.details())
        return unpack(status)


def unpack(status: status_pb2.Status) -> SimpleNamespace:
    """A status with its details by their kind."""
    found: dict[str, Any] = {}
    for detail in status.details:
        name = detail.type_url.rpartition(".")[2]
        assert name not in found, "each kind of detail occurs once"
        found[name] = getattr(error_details_pb2, name).FromString(detail.value)
    info = found.pop("ErrorInfo")
    return SimpleNamespace(
        code=grpc_name(status.code),
        message=status.message,
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        fields=[
            (v.field, v.description)
            for v in getattr(found.get("BadRequest"), "field_violations", ())
        ],
        retry=found.get("RetryInfo"),
    )


def grpc_name(code: int) -> str:
    """The name of a status code."""
    return next(c.name for c in grpc.StatusCode if c.value[0] == code)


@pytest.fixture
def samples() -> Samples:
    """Sample resources."""
    return Samples()


@pytest.fixture
def engine(samples: Samples) -> FakeEngine:
    """The engine behind the server."""
    return FakeEngine(samples)


@pytest.fixture
def serve(engine: FakeEngine) -> Callable[..., Any]:
    """Runs a scenario, a coroutine function of one Served, and gives back what it returns."""

    @asynccontextmanager
    async def serving(backends: dict[str, Any], options: dict[str, Any], authenticator: Any) -> Any:
        whole = {"engine": engine, "programs": None, "members": None, **backends}
        settings = ServerOptions(address="127.0.0.1:0", **options)
        server = Server(Backends(**whole), authenticator, settings)
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                yield Served(server, channel, engine)
        finally:
            await server.stop(0)

    def run(
        scenario: Callable[[Served], Awaitable[Any]],
        authenticator: Any = None,
        backends: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        async def main() -> Any:
            given = backends or {}
            async with serving(given, options, authenticator or DevAuthenticator(CALLER)) as served:
                async with asyncio.timeout(20):
                    return await scenario(served)

        return asyncio.run(main())

    return run


@pytest.fixture
def clock() -> TestClock:
    """A clock that stands at NOW."""
    return TestClock(NOW)


@pytest.fixture
def field_at_fault() -> Callable[..., str]:
    """The field that decoding a message complains of; "(none)" if it does not."""

    def field(read: Callable[..., Any], *arguments: Any) -> str:
        try:
            read(*arguments)
        except InvalidField as refusal:
            return refusal.field
        return "(none)"

    return field


@pytest.fixture
def unpacked() -> Callable[[status_pb2.Status], SimpleNamespace]:
    """Unpacks a status of a partial answer."""
    return unpack


@pytest.fixture
def issuer():
    """Has one RSA key in a PEM file."""
    return Issuer(pem(RSA_KEY))


@pytest.fixture
def book():
    """The service behind the server."""
    return Book()
