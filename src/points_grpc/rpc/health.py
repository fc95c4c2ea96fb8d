"""grpc.health.v1: whether each service can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2

from points_grpc.errors import InvalidField
from points_grpc.rpc.interceptors import NO_MESSAGE, Context, RpcAbort

SERVICE = "grpc.health.v1.Health"

_Response = health_pb2.HealthCheckResponse


class Health:
    """The health service: NOT_SERVING until told otherwise, and for good once shut down.

    grpcio's own begins as SERVING, lets one stalled watcher hold up everybody, and keeps a
    stopping server waiting for as long as anybody watches.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(services) | {""}
        self._serving = False
        self._closed = False
        self._changed = asyncio.Event()

    def set_serving(self, serving: bool) -> None:
        """Show all services as SERVING or NOT_SERVING; after `shut_down` nothing changes."""
        if not self._closed and serving != self._serving:
            self._serving = serving
            self._wake()

    def shut_down(self) -> None:
        """Show NOT_SERVING from now on, and let every watch end after having said so."""
        self._serving, self._closed = False, True
        self._wake()

    async def Check(self, request: Any) -> Any:  # noqa: N802  # the contract's name
        """The present status; NOT_FOUND for a service that is not served."""
        if request.service not in self._services:
            raise RpcAbort("NOT_FOUND", "there is no such service")
        return _Response(status=self._status())

    async def Watch(  # noqa: N802  # the contract's name
        self, requests: AsyncIterator[Any], _: Context
    ) -> AsyncIterator[Any]:
        """The present status and every later one; SERVICE_UNKNOWN where there is none."""
        if (request := await anext(requests, None)) is None:
            raise InvalidField("", NO_MESSAGE)
        known = request.service in self._services
        if not known:
            yield _Response(status=_Response.SERVICE_UNKNOWN)
        told = None
        while True:
            changed, closed, status = self._changed, self._closed, self._status()
            if known and status != told:
                told = status
                yield _Response(status=status)
            if closed:
                return
            await changed.wait()

    def _status(self) -> Any:
        return _Response.SERVING if self._serving else _Response.NOT_SERVING

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
