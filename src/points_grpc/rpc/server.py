"""The grpc.aio server with everything that it serves."""

from __future__ import annotations

from dataclasses import dataclass

import grpc.aio
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from points.dev.v1 import test_clock_pb2
from points.v1 import member_service_pb2, points_service_pb2, program_service_pb2
from points_grpc.clock import TestClock
from points_grpc.metrics.counters import Counters
from points_grpc.rpc import health, reflection
from points_grpc.rpc.auth import Authenticator
from points_grpc.rpc.backends import EngineBackend, MemberBackend, ProgramBackend
from points_grpc.rpc.interceptors.auth import Authentication, Authorization, declared_scopes
from points_grpc.rpc.interceptors.deadline import Deadline
from points_grpc.rpc.interceptors.errors import Errors
from points_grpc.rpc.interceptors.log import Log
from points_grpc.rpc.interceptors.messages import OPEN_BYTES_MAX
from points_grpc.rpc.interceptors.metrics import Metrics
from points_grpc.rpc.interceptors.rate_limit import RateLimit
from points_grpc.rpc.interceptors.read_body import ReadBody
from points_grpc.rpc.interceptors.shedding import Shedding
from points_grpc.rpc.methods import stream_method, unary_method, unary_service
from points_grpc.rpc.servicers.members import MemberServicer
from points_grpc.rpc.servicers.points import PointsServicer
from points_grpc.rpc.servicers.programs import ProgramServicer
from points_grpc.rpc.servicers.test_clock import TestClockServicer
from points_grpc.rpc.transport import server_credentials
from points_grpc.tls import ReloadingCertificates

PING_INTERVAL_MIN_MS = 10_000
"""How often an idle client may ping. The runtime's default of 5 minutes drops honest ones."""

PENDING_MAX = 100_000
"""How many calls may wait for the event loop to notice them.

Beyond the runtime's default of 1000 they end as CANCELLED, which says neither why nor whether
another try is worth it; it is for the interceptors to turn calls away.
"""

STREAMS_MAX = 10_000
"""How many calls a connection may have at once; what it has given up and we have not counts too.

Far more than an honest client has: it would wait, and not be told that we are overloaded.
"""


METADATA_BYTES_MAX = 16 * 1024
"""How long all metadata of a call may be, a token of 8 KiB among them.

The runtime's own limits are two, between which it refuses some calls by chance.
"""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What an operator may set; lengths of time in seconds, sizes in bytes.

    `request_bytes_max` holds the largest request that the contract allows: 1000 expiry changes
    with every text at its limit, 16,800 bytes each. With `share_port` other processes may serve
    at `address` too; at `own_address`, if any, only this one does, never with `tls`.
    `tenant_calls_per_s` 0 is no limit.
    """

    address: str = "127.0.0.1:50051"
    deadline_s: float = 10.0
    deadline_max_s: float = 120.0
    calls_max: int = 2048
    calls_bytes_max: int = 64 * 2**20
    request_bytes_max: int = 17 * 2**20
    connection_age_s: float = 300.0
    connection_age_grace_s: float = 30.0
    share_port: bool = False
    own_address: str = ""
    tls: ReloadingCertificates | None = None
    tenant_calls_per_s: float = 0.0
    tenant_calls_burst: int = 0
    reflection: bool = True


@dataclass(frozen=True, slots=True)
class Backends:
    """What the servicers hand calls on to; `test_clock` is for dev mode only."""

    engine: EngineBackend
    programs: ProgramBackend
    members: MemberBackend
    test_clock: TestClock | None = None


class Server:
    """Serves the contract, health and, if wanted, reflection on one port, once.

    Health says NOT_SERVING until `set_serving(True)`. To be made where the event loop runs.
    """

    def __init__(
        self,
        backends: Backends,
        authenticator: Authenticator,
        options: ServerOptions = ServerOptions(),
        counters: Counters | None = None,
    ) -> None:
        errors, deadline = Errors(), Deadline(options.deadline_s, options.deadline_max_s)
        services = _services(backends)
        interceptors = (
            errors,
            Log(),
            *(() if counters is None else (Metrics(counters),)),
            deadline,
            Authentication(authenticator),
            Authorization(declared_scopes(service for service, _ in services)),
            *_rates(options),
            ReadBody(),
            Shedding(options.calls_max, options.calls_bytes_max),
        )
        names = [service.full_name for service, _ in services]
        self._options = options
        self._health = health.Health(names)
        self._reflection = reflection.Reflection([*names, health.SERVICE, *reflection.SERVICES])
        self._server = grpc.aio.server(options=channel_options(options))
        self._server.add_generic_rpc_handlers(
            (
                *(unary_service(*service, interceptors) for service in services),
                _health_methods(self._health, errors, deadline),
                *(_reflection_methods(self._reflection, errors) if options.reflection else ()),
            )
        )
        self.port = 0
        self.own_port = 0

    async def start(self) -> None:
        """Listen; `port` and `own_port` are then known. Raises RuntimeError: address taken."""
        address, tls = self._options.address, self._options.tls
        if tls is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, server_credentials(tls))
        if self._options.own_address:
            self.own_port = self._server.add_insecure_port(self._options.own_address)
        await self._server.start()

    def set_serving(self, serving: bool) -> None:
        """Say through health whether the services can do their work."""
        self._health.set_serving(serving)

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, take no more calls, and finish what runs within `grace_s` seconds.

        Calls that run longer are cancelled, and so are calls that have arrived but not begun: to
        these the runtime gives no other status. Watches and reflection end at once.
        """
        self._health.shut_down()
        self._reflection.shut_down()
        await self._server.stop(grace_s)

    async def wait_stopped(self) -> None:
        """Return when the server has stopped."""
        await self._server.wait_for_termination()


def _rates(options: ServerOptions) -> list[RateLimit]:
    rate = options.tenant_calls_per_s
    return [RateLimit(rate, options.tenant_calls_burst)] if rate else []


def _services(backends: Backends) -> list[tuple[ServiceDescriptor, object]]:
    points = points_service_pb2.DESCRIPTOR.services_by_name["PointsService"]
    programs = program_service_pb2.DESCRIPTOR.services_by_name["ProgramService"]
    members = member_service_pb2.DESCRIPTOR.services_by_name["MemberService"]
    services: list[tuple[ServiceDescriptor, object]] = [
        (points, PointsServicer(backends.engine)),
        (programs, ProgramServicer(backends.programs)),
        (members, MemberServicer(backends.members)),
    ]
    if backends.test_clock is not None:
        clock = test_clock_pb2.DESCRIPTOR.services_by_name["TestClockService"]
        services.append((clock, TestClockServicer(backends.test_clock)))
    return services


def _health_methods(
    servicer: health.Health, errors: Errors, deadline: Deadline
) -> grpc.GenericRpcHandler:
    methods = health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name
    handlers = {
        "Check": unary_method(
            servicer.Check, methods["Check"], (errors, deadline, ReadBody(OPEN_BYTES_MAX))
        ),
        "Watch": stream_method(servicer.Watch, methods["Watch"], errors, health.SERVICE),
    }
    return grpc.method_handlers_generic_handler(health.SERVICE, handlers)


def _reflection_methods(
    servicer: reflection.Reflection, errors: Errors
) -> list[grpc.GenericRpcHandler]:
    [alpha] = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].methods
    return [
        grpc.method_handlers_generic_handler(
            service,
            {alpha.name: stream_method(servicer.ServerReflectionInfo, alpha, errors, service)},
        )
        for service in reflection.SERVICES
    ]


def channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    """The settings of the transport that `options` stand for."""
    return [
        ("grpc.so_reuseport", int(options.share_port)),
        ("grpc.server.max_pending_requests", PENDING_MAX),
        ("grpc.server.max_pending_requests_hard_limit", PENDING_MAX),
        ("grpc.max_concurrent_streams", STREAMS_MAX),
        ("grpc.max_receive_message_length", options.request_bytes_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_connection_age_ms", int(options.connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", int(options.connection_age_grace_s * 1000)),
    ]
