"""A whole server in this process: database, gRPC, gateway, and a test clock that stands still."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass

from points_grpc.cli.demo import seed
from points_grpc.cli.runtime import wiring
from points_grpc.clock import Clock
from points_grpc.config import Settings
from points_grpc.domain.auth import Grant
from points_grpc.domain.commands import Caller
from points_grpc.gateway.app import make_app
from points_grpc.gateway.docs_ui import documentation
from points_grpc.gateway.http_server import listen, serving
from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.upstream import METHODS, Channel, Inbound
from points_grpc.gateway.vendors import DIALECTS
from points_grpc.rpc.auth.development import DevAuthenticator
from points_grpc.rpc.interceptors import Context
from points_grpc.rpc.server import Backends, Server, ServerOptions
from points_grpc.storage.admin import programs as storage
from points_grpc.storage.core.database import Database

START = "2022-01-01T00:00:00Z"
SECONDS_MAX = 60

T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """An HTTP response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        assert self.headers["content-type"].startswith("application/json"), self
        return json.loads(self.body)


class _Door:
    """The development tenant's door, whose default program can change."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def authenticate(self, context: Context) -> Grant:
        return await DevAuthenticator(self.caller).authenticate(context)


class Live:
    """A running server.

    `call` speaks HTTP to the gateway; `ask` speaks gRPC to the service, for what a test needs
    before and after it.
    """

    def __init__(self, database: Database, parts: wiring.ServiceParts) -> None:
        self._database = database
        self._parts = parts
        self._door = _Door(seed.tenant(database, parts.clock.now()))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS_MAX)
        self._loop.close()

    def call(self, method: str, target: str, body: Any = b"", **headers: str) -> Reply:
        """One HTTP call, exactly as given. A body that is not bytes is sent as JSON.

        Headers are named like `x_token`; no credential is added.
        """
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if not isinstance(body, bytes):
            sent.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=SECONDS_MAX)
        try:
            connection.request(method, target, raw or None, sent)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, named, response.read())
        finally:
            connection.close()

    def ask(self, method: str, request: Mapping[str, Any]) -> Any:
        """The service's answer to `PointsService/Earn` or the like, as JSON with proto names.

        Raises UpstreamRefusal.
        """
        package = "points.dev.v1" if method.startswith("TestClock") else "points.v1"
        name = f"{package}.{method}"
        message = ParseDict(request, GetMessageClass(METHODS[name].input_type)())
        answer = self._await(self._channel.call(name, message, Inbound("demo")))
        return MessageToDict(answer, preserving_proto_field_name=True)

    @property
    def grpc_port(self) -> int:
        """Where the service listens on loopback."""
        return self._server.port

    def set_clock(self, instant: str) -> None:
        """Let time go on to `instant` (RFC 3339)."""
        self.ask("TestClockService/SetClock", {"time": instant})

    def load_demo(self) -> None:
        """Make programs 469 (POINTS), the default one, and 123 (bonus_points, currency_id 1)."""
        self._await(seed.programs(self._parts.programs, self._door.caller))
        self.make_default(seed.PROGRAM)

    def make_default(self, program_id: int) -> None:
        """Make a program the tenant's default."""
        caller = self._door.caller
        self._database.run(lambda at: storage.set_default_program(at, caller.tenant_id, program_id))
        self._door.caller = Caller(caller.tenant_id, caller.tenant, caller.principal, program_id)

    @contextmanager
    def importing(self) -> Iterator[tuple[Database, Clock, int]]:
        """What an import needs: the database, the server's clock, and the tenant."""
        yield self._database, self._parts.clock, self._door.caller.tenant_id

    def stop_service(self) -> None:
        """Stop gRPC; the gateway stays."""
        self._await(self._server.stop(0))

    async def _start(self) -> None:
        parts = self._parts
        backends = Backends(parts.engine, parts.programs, parts.members, parts.test_clock)
        self._server = Server(backends, self._door, ServerOptions(address="127.0.0.1:0"))
        await self._server.start()
        self._stack.push_async_callback(self._server.stop, 0)
        channel = Channel(f"127.0.0.1:{self._server.port}")
        self._channel = await self._stack.enter_async_context(channel)
        listener = listen("127.0.0.1", 0)
        self.http_port: int = listener.getsockname()[1]
        app = make_app(channel, canonical(), DIALECTS, documentation(), parts.clock.now)
        await self._stack.enter_async_context(serving(app, listener, 1.0))

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS_MAX)


@contextmanager
def living(database_url: str, start: str = START) -> Iterator[Live]:
    """A server over an empty database with our schema, its clock standing at `start`."""
    settings = Settings(dev=True, start_time=start, sweep=False)  # type: ignore[arg-type]
    database = Database(database_url)
    try:
        with wiring.open_service(settings, database) as parts, Live(database, parts) as live:
            yield live
    finally:
        database.close()
