"""Reads a request, once its caller has been let in."""

from __future__ import annotations

import grpc.aio

from points_grpc.rpc.interceptors import Context, Handler, Request


class Arrival:
    """Fills requests with what callers send.

    Whatever stands before it is done without: who is refused there has sent nothing for us to keep,
    and whoever opens a call and sends nothing waits within the deadline.
    """

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, when the request is there."""

        async def handle(request: Request, context: Context) -> bytes:
            # A message beyond the limit has been answered by the runtime, and looks like none.
            raw = await context.read()
            request.fill(None if raw is grpc.aio.EOF else raw)
            return await inner(request, context)

        return handle
