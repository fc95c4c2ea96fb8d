"""What surrounds every call, one concern per module.

These are not grpcio's interceptors, which assemble the chain anew for each call: a method's
chain is built once, when the server is (see `points_grpc.rpc.methods`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import grpc.aio

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

Handler: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
"""Answers a call: the bytes of a request with those of a response."""


class Ended(Exception):
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
