"""The way to the service: one gRPC channel, and what of a call is passed on with it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2, error_details_pb2, status_pb2

from points.dev.v1 import test_clock_pb2
from points.v1 import member_service_pb2, points_service_pb2, program_service_pb2
from points_grpc.gateway.errors import DOMAIN, UpstreamRefusal
from points_grpc.tls import FORWARDED, VOUCHER

TIMEOUT_S = 10.0
"""How long a call may take that does not say: the service's own default."""

TIMEOUT_MAX_S = 60.0

_DETAILS_KEY = "grpc-status-details-bin"
_OPTIONS = (
    # A page of a thousand transactions with their allocations.
    ("grpc.max_receive_message_length", 64 * 2**20),
    # A service that comes back is found within a second, not within two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A proxy in the environment is meant for the outside.
    ("grpc.enable_http_proxy", 0),
)

# What a call without a request comes to that was let in, or whose method is not offered.
_ADMITTED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED)

# What the transport says itself may hold addresses.
_OWN_WORDS = re.compile(r"internal error [0-9a-f]{32}")
_PLAIN = {
    "UNAVAILABLE": "The service cannot be reached; try again.",
    "DEADLINE_EXCEEDED": "The call took longer than it may.",
    "UNIMPLEMENTED": "The service does not offer this method.",
    "CANCELLED": "The call was cancelled.",
}
_READS = ("Get", "List")
"""The first words in the names of methods that change nothing."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What of a call goes along with every request that it makes of the service.

    An empty token is passed on as an empty bearer, which the service refuses: without any
    authorization at all it would take the call for one of its own development tenant's. Only a
    client's certificate, where there is one, is passed on instead.
    """

    token: str = ""
    timeout_s: float = TIMEOUT_S
    request_id: str = ""
    traceparent: str = ""
    tracestate: str = ""
    certificate: str = ""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return it as gRPC metadata."""
        if self.certificate and not self.token:
            passed = [(FORWARDED, self.certificate)]
        else:
            passed = [("authorization", f"Bearer {self.token}".rstrip())]
        if self.request_id:
            passed.append(("x-request-id", self.request_id))
        if self.traceparent:
            passed.append(("traceparent", self.traceparent))
            if self.tracestate:
                passed.append(("tracestate", self.tracestate))
        return tuple(passed)


class Upstream(Protocol):
    """Answers requests of the contract."""

    async def call(self, method: str, request: Message, inbound: Inbound) -> Any:
        """The answer to `method` (`points.v1.PointsService/Earn`). Raises UpstreamRefusal."""
        ...

    async def admit(self, method: str, inbound: Inbound) -> None:
        """Raises UpstreamRefusal where `method` is refused whatever the request would be."""
        ...


def _methods() -> dict[str, MethodDescriptor]:
    files = (
        points_service_pb2.DESCRIPTOR,
        program_service_pb2.DESCRIPTOR,
        member_service_pb2.DESCRIPTOR,
        test_clock_pb2.DESCRIPTOR,
    )
    return {
        f"{service.full_name}/{method.name}": method
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


METHODS: Mapping[str, MethodDescriptor] = _methods()
"""Every method of the contract by its full name, such as `points.v1.PointsService/Earn`."""


class Channel:
    """The service at an address (`host:port`). To be made where the event loop runs."""

    def __init__(
        self, address: str, tls: grpc.ChannelCredentials | None = None, voucher: str = ""
    ) -> None:
        """With a `voucher` the service believes us what we say of clients' certificates."""
        if tls is None:
            self._channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(address, tls, options=_OPTIONS)
        self._voucher = ((VOUCHER, voucher),) if voucher else ()
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable[Any, Any]] = {
            name: self._channel.unary_unary(
                f"/{name}",
                request_serializer=GetMessageClass(method.input_type).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
            for name, method in METHODS.items()
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def call(self, method: str, request: Message, inbound: Inbound) -> Any:
        """The answer to `method` (`points.v1.PointsService/Earn`). Raises UpstreamRefusal."""
        call = self._calls[method]
        metadata = inbound.metadata()
        if inbound.certificate:
            metadata += self._voucher
        try:
            return await call(request, timeout=inbound.timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error, method) from None

    async def admit(self, method: str, inbound: Inbound) -> None:
        """Raises UpstreamRefusal where `method` is refused whatever the request would be.

        It is called without a request, which the service misses once it has let the caller in.
        """
        call: grpc.aio.StreamUnaryMultiCallable[bytes, bytes]
        call = self._channel.stream_unary(f"/{method}")
        metadata = inbound.metadata() + (self._voucher if inbound.certificate else ())
        try:
            await call(_nothing(), timeout=inbound.timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _ADMITTED:
                raise _refusal(error, method) from None


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


def _refusal(error: grpc.aio.AioRpcError, method: str) -> UpstreamRefusal:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return UpstreamRefusal(status_pb2.Status.FromString(value))
            except DecodeError:
                break
    code = error.code().name
    said = error.details() or ""
    if not _OWN_WORDS.fullmatch(said):
        said = _PLAIN.get(code, "The service could not answer.")
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message=said)
    if code == "DEADLINE_EXCEEDED":  # it has passed here before the service could say
        changes = not method.rpartition("/")[2].startswith(_READS)
        facts = {"outcome": "UNKNOWN" if changes else "NOT_APPLIED"}
        info = error_details_pb2.ErrorInfo(reason=code, domain=DOMAIN, metadata=facts)
        status.details.add().Pack(info)
    return UpstreamRefusal(status)
