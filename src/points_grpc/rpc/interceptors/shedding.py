"""Refuses what the server cannot take, before it costs anything."""

from __future__ import annotations

from points_grpc.errors import Overloaded
from points_grpc.rpc.interceptors import Context, Handler, Request


class Shedding:
    """Lets at most `calls_max` calls of all methods run at once, with `bytes_max` of requests.

    A request of more than `bytes_max` bytes may run while no other bytes do. What is still being
    received does not count, for the runtime tells of a request when it is complete. grpcio's own
    `maximum_concurrent_rpcs` would turn health checks away as well, and so make restarts out of
    overload.
    """

    def __init__(self, calls_max: int, bytes_max: int) -> None:
        self._calls_max = calls_max
        self._bytes_max = bytes_max
        self._running = 0
        self._bytes = 0

    @property
    def running(self) -> int:
        """Return the number of calls that run now."""
        return self._running

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, refused with Overloaded while as much runs as may."""

        async def handle(request: Request, context: Context) -> bytes:
            size = request.size
            if not self._has_room(size):
                raise Overloaded
            self._running += 1
            self._bytes += size
            try:
                return await inner(request, context)
            finally:
                self._running -= 1
                self._bytes -= size

        return handle

    def _has_room(self, size: int) -> bool:
        if self._running >= self._calls_max:
            return False
        return self._bytes + size <= self._bytes_max or not self._bytes
