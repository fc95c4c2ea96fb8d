"""Server reflection, so that grpcurl needs no files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_reflection.v1alpha.reflection import aio

from points_grpc.rpc.interceptors import Context

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""The names it goes by: version 1 has the messages of its alpha."""


class Reflection:
    """The reflection service. Its streams end when the server does, not when the client likes."""

    def __init__(self, services: Iterable[str]) -> None:
        self._inner = aio.ReflectionServicer(services)
        self._closing = asyncio.Event()

    def shut_down(self) -> None:
        """End every stream after the answer that it is at."""
        self._closing.set()

    async def ServerReflectionInfo(  # noqa: N802  # the contract's name
        self, requests: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[Any]:
        """One answer per request."""
        async for answer in self._inner.ServerReflectionInfo(
            self._until_closing(requests), context
        ):
            yield answer

    async def _until_closing(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        coming = aiter(requests)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while True:
                request = asyncio.ensure_future(anext(coming, None))
                await asyncio.wait((request, closing), return_when=asyncio.FIRST_COMPLETED)
                if not request.done():
                    request.cancel()
                    return
                if (asked := request.result()) is None:
                    return
                yield asked
        finally:
            closing.cancel()
