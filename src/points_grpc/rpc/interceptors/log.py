"""One line per call: which method, how it ended, how long it took, for which tenant.

Never payloads, never identifiers of people or of requests.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from time import perf_counter

import structlog

from points_grpc.errors import Refusal
from points_grpc.rpc.interceptors import Context, Handler, Request, RpcAbort
from points_grpc.rpc.interceptors.auth import caller

_ITEMS: ContextVar[int] = ContextVar("items")


def count_items(items: int) -> None:
    """Say how many items the present call is about; 1 unless said."""
    _ITEMS.set(items)


class Log:
    """Writes the line."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("points_grpc.rpc")

    def wrap(self, method: str, inner: Handler) -> Handler:
        """`inner`, with a line when it has ended."""
        info = self._log.bind(method=method).info

        async def handle(request: Request, context: Context) -> bytes:
            began = perf_counter()
            code, reason = "OK", ""
            try:
                return await inner(request, context)
            except BaseException as error:
                code, reason = outcome(error)
                raise
            finally:
                info(
                    "call",
                    code=code,
                    reason=reason,
                    duration_ms=round((perf_counter() - began) * 1000, 3),
                    items=_ITEMS.get(1),
                    tenant=caller().tenant,
                )

        return handle


def outcome(error: BaseException) -> tuple[str, str]:
    """The name of the status code that `error` ends a call with, and the reason, if it has one."""
    if isinstance(error, Refusal):
        return error.code, error.reason
    if isinstance(error, RpcAbort):
        return error.code, ""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        return "CANCELLED", ""
    return "INTERNAL", ""
