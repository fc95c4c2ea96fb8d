"""Bytes to messages and back, within reach of the interceptor that answers errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError, Message

from points_grpc.errors import InvalidField
from points_grpc.rpc.interceptors import Context, Handler

Method: TypeAlias = Callable[[Any], Awaitable[Message]]
"""A servicer's method: answers a request message with a response message."""


def on_bytes(method: Method, request: type[Message]) -> Handler:
    """`method` for the bytes of its `request`; malformed ones raise InvalidField.

    As a deserializer of grpcio's the same would answer malformed bytes with UNKNOWN and the
    parser's own words.
    """
    parse = request.FromString

    async def handle(raw: bytes, _: Context) -> bytes:
        try:
            message = parse(raw)
        except DecodeError:
            raise InvalidField("", "is not a message of this method") from None
        return (await method(message)).SerializeToString()

    return handle
