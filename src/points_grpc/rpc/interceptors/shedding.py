"""Refuses what the server cannot take, before it costs anything."""

from __future__ import annotations

from typing import Any

from points_grpc.errors import Overloaded
from points_grpc.rpc.interceptors import Context, Handler


class Shedding:
    """Lets at most `calls_max` calls of all methods run at once.

    grpcio's own `maximum_concurrent_rpcs` would turn health checks away as well, and so make
    restarts out of overload.
    """

    def __init__(self, calls_max: int) -> None:
        self._calls_max = calls_max
        self._running = 0

    @property
    def running(self) -> int:
        """How many calls run now."""
        return self._running

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, refused with Overloaded while as many calls run as may."""

        async def handle(request: Any, context: Context) -> Any:
            if self._running >= self._calls_max:
                raise Overloaded
            self._running += 1
            try:
                return await inner(request, context)
            finally:
                self._running -= 1

        return handle
