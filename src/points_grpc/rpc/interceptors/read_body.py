"""Reads a request, once its caller has been let in."""

from __future__ import annotations

import grpc.aio

from points_grpc.errors import InvalidField
from points_grpc.rpc.interceptors import Context, Handler, Request


class ReadBody:
    """Fills requests with what callers send.

    Whatever stands before it is done without: who is refused there has sent nothing for us to keep,
    and whoever opens a call and sends nothing waits within the deadline.
    """

    def __init__(self, bytes_max: int = 0) -> None:
        """Requests of more than `bytes_max` bytes are refused; 0: as many as the runtime takes."""
        self._bytes_max = bytes_max

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, when the request is there."""
        bytes_max = self._bytes_max

        async def handle(request: Request, context: Context) -> bytes:
            # A message beyond the limit has been answered by the runtime, and looks like none.
            raw = await context.read()
            request.fill(None if raw is grpc.aio.EOF else raw)
            if bytes_max and request.size > bytes_max:
                raise InvalidField("", f"must not be longer than {bytes_max} bytes")
            return await inner(request, context)

        return handle
