"""Turns whatever a call raises into a status; the only place that aborts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import grpc
import structlog
from grpc.aio import AbortError

from points_grpc.errors import Refusal
from points_grpc.rpc.interceptors import Context, Handler, Request, RpcAbort
from points_grpc.rpc.status import InternalError, status_of

DETAILS_KEY = "grpc-status-details-bin"

StreamHandler = Callable[[Any, Context], AsyncIterator[Any]]


class Errors:
    """The outermost interceptor: nothing that was not meant for the caller gets out.

    What nobody foresaw is logged once, with its traceback and an id, and the caller gets
    INTERNAL and that id.
    """

    def wrap(self, method: str, inner: Handler) -> Handler:
        """`inner`, answering with a status whatever it raises."""

        async def handle(request: Request, context: Context) -> bytes:
            try:
                return await inner(request, context)
            except BaseException as error:
                await self._answer(method, error, context)

        return handle

    def wrap_stream(self, method: str, inner: StreamHandler) -> StreamHandler:
        """The same for a method that answers with a stream."""

        async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                async for response in inner(request, context):
                    yield response
            except BaseException as error:
                await self._answer(method, error, context)

        return handle

    async def _answer(self, method: str, error: BaseException, context: Context) -> NoReturn:
        if isinstance(error, Refusal):
            status = status_of(error)
            details = ((DETAILS_KEY, status.SerializeToString()),)
            await context.abort(grpc.StatusCode[error.code], status.message, details)
        if isinstance(error, RpcAbort):
            await context.abort(grpc.StatusCode[error.code], str(error))
        if _is_for_the_runtime(error):
            raise error
        await context.abort(grpc.StatusCode.INTERNAL, str(report(error, method=method)))


def report(error: BaseException, **where: str) -> InternalError:
    """Log what nobody foresaw, with its traceback and an id for the caller to be told."""
    error_id = uuid.uuid4().hex
    log = structlog.get_logger("points_grpc.rpc")
    log.error("unexpected error", **where, error_id=error_id, exc_info=error)
    return InternalError(error_id)


def _is_for_the_runtime(error: BaseException) -> bool:
    """Whether it means that the call, or the process, is being ended from outside."""
    if isinstance(error, asyncio.CancelledError):
        # Raised by the handler itself it would leave the caller without any answer. (The
        # context does not tell: its `cancelled` stays False when the caller goes away.)
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, AbortError | GeneratorExit | KeyboardInterrupt | SystemExit)
