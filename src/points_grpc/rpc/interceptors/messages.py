"""Bytes to messages and back, within reach of the interceptor that answers errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError, Message

from points_grpc.errors import InvalidField
from points_grpc.rpc.interceptors import Context, Handler, Request
from points_grpc.rpc.wire_limits import Limits

Method: TypeAlias = Callable[[Any], Awaitable[Message]]
"""A servicer's method: answers a request message with a response message."""

OPEN_BYTES_MAX = 4096
"""The most bytes of a request that needs no credential."""

StreamMethod: TypeAlias = Callable[[AsyncIterator[Any], Context], AsyncIterator[Message]]
"""A servicer's method: answers request messages, as they come, with response messages."""


def on_bytes(method: Method, request: type[Message]) -> Handler:
    """`method` for the bytes of its `request`.

    Malformed bytes raise InvalidField, and so do those that hold more than the contract allows.
    As a deserializer of grpcio's the same would answer malformed bytes with UNKNOWN and the
    parser's own words. Raises Unbounded where the contract does not say how much is allowed.
    """
    descriptor: Any = request.DESCRIPTOR
    limits = Limits(descriptor)
    small = limits.small

    async def handle(raw: Request, _: Context) -> bytes:
        # The message is nobody's but the method's, which may let go of a large one.
        if raw.size <= small:
            return (await method(_parsed(raw.take(), request))).SerializeToString()
        answer = method(_parsed(await limits.checked(raw.take()), request))
        return (await answer).SerializeToString()

    return handle


def on_streams_of_bytes(method: StreamMethod, request: type[Message]) -> StreamMethod:
    """The same for a method of streams; its responses stay messages."""

    def handle(raws: AsyncIterator[bytes], context: Context) -> AsyncIterator[Message]:
        return method(messages(raws), context)

    async def messages(raws: AsyncIterator[bytes]) -> AsyncIterator[Message]:
        async for raw in raws:
            if len(raw) > OPEN_BYTES_MAX:
                raise InvalidField("", f"must not be longer than {OPEN_BYTES_MAX} bytes")
            yield _parsed(raw, request)

    return handle


def _parsed(raw: bytes, request: type[Message]) -> Message:
    try:
        return request.FromString(raw)
    except DecodeError:
        raise InvalidField("", "is not a message of this method") from None
