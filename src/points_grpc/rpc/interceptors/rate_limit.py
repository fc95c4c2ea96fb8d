"""Lets no tenant take more than its share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from points_grpc.errors import Overloaded
from points_grpc.rpc.interceptors import Context, Handler, Request
from points_grpc.rpc.interceptors.auth import caller


class RateLimit:
    """Gives each tenant a bucket of `burst` tokens into which `per_second` new ones fall.

    A call takes one token, whatever it is and however many items it has; one that finds none is
    refused with Overloaded, which says when there will be one. Buckets are this process's own.
    """

    def __init__(
        self, per_second: float, burst: int = 0, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """Without a `burst` a bucket holds what falls into it in a second, and at least one."""
        self._per_second = per_second
        self._burst = float(burst or max(1, math.ceil(per_second)))
        self._ticks = ticks
        self._buckets: dict[int, tuple[float, float]] = {}

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, for calls that find a token."""

        async def handle(request: Request, context: Context) -> bytes:
            self._take(caller().tenant_id)
            return await inner(request, context)

        return handle

    def _take(self, tenant_id: int) -> None:
        now = self._ticks()
        tokens, at = self._buckets.get(tenant_id, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        if tokens < 1:
            self._buckets[tenant_id] = tokens, now
            raise Overloaded(retry_s=(1 - tokens) / self._per_second)
        self._buckets[tenant_id] = tokens - 1, now
