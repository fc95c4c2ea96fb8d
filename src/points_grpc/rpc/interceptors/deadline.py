"""Lets no call run for ever."""

from __future__ import annotations

import asyncio

from points_grpc.rpc.interceptors import Context, Ended, Handler, Request


class Deadline:
    """Ends a call at its own deadline, or after `default_s` seconds where it has none.

    No deadline counts beyond `limit_s` seconds.
    """

    def __init__(self, default_s: float, limit_s: float) -> None:
        self._default_s = min(default_s, limit_s)
        self._limit_s = limit_s

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, cancelled and answered with DEADLINE_EXCEEDED when time is up."""
        default, limit = self._default_s, self._limit_s

        async def handle(request: Request, context: Context) -> bytes:
            remaining = context.time_remaining()
            timeout = asyncio.timeout(default if remaining is None else min(remaining, limit))
            try:
                async with timeout:
                    return await inner(request, context)
            except TimeoutError:
                if timeout.expired():
                    raise Ended("DEADLINE_EXCEEDED", "the call took longer than it may") from None
                raise

        return handle
