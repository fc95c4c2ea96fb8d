"""What surrounds every call, one concern per module.

These are not grpcio's interceptors, which assemble the chain anew for each call: a method's
chain is built once, when the server is (see `points_grpc.rpc.methods`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import grpc.aio

from points_grpc.errors import InvalidField

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

NO_MESSAGE = "is missing: the call ended without a message"
"""What is wrong with a call that has no request at all."""


class Request:
    """The bytes of a request, for whoever takes them first; None where a call has no message.

    There are none before `fill`. Interceptors hold a request for as long as its call runs, so they
    do not hold the bytes.
    """

    __slots__ = ("_raw", "size")

    def __init__(self, raw: bytes | None = None) -> None:
        self.fill(raw)

    def fill(self, raw: bytes | None) -> None:
        """Put what has arrived into it."""
        self._raw = raw
        self.size = len(raw or b"")

    def take(self) -> bytes:
        """The bytes, once. Raises InvalidField where there are none."""
        raw, self._raw = self._raw, None
        if raw is None:
            raise InvalidField("", NO_MESSAGE)
        return raw


Handler: TypeAlias = Callable[[Request, Context], Awaitable[bytes]]
"""Answers a call: the bytes of a request with those of a response."""


class RpcAbort(Exception):
    """Ends a call with a status of gRPC's own, which none of our refusals stands for.

    `code` is the name of the status code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Interceptor(Protocol):
    """Adds one concern to a method."""

    def wrap(self, method: str, inner: Handler) -> Handler:
        """`inner` with the concern around it; `method` is its full name, without a slash first."""
        ...
