"""Joins servicers, interceptors and the contract's services to what grpcio serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from points_grpc.rpc.interceptors import Context, Interceptor, Request, RpcAbort
from points_grpc.rpc.interceptors.errors import Errors, StreamHandler
from points_grpc.rpc.interceptors.messages import (
    Method,
    StreamMethod,
    on_bytes,
    on_streams_of_bytes,
)

STREAMS_MAX = 10_000
"""How many streams of one method may be open; each takes some 20 KB."""


def unary_service(
    service: ServiceDescriptor, servicer: object, interceptors: Sequence[Interceptor]
) -> grpc.GenericRpcHandler:
    """All methods of `service`, each the servicer's of the same name within `interceptors`.

    The first interceptor is the outermost. Raises AttributeError if the servicer lacks one.
    """
    handlers = {
        method.name: unary_method(getattr(servicer, method.name), method, interceptors)
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def unary_method(
    method: Method, descriptor: MethodDescriptor, interceptors: Sequence[Interceptor]
) -> grpc.RpcMethodHandler[Any, Any]:
    """One method of a servicer, described by `descriptor`, within `interceptors`.

    One of these, `Arrival`, has to read the request.
    """
    name = f"{descriptor.containing_service.full_name}/{descriptor.name}"
    handler = on_bytes(method, GetMessageClass(descriptor.input_type))
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap(name, handler)

    async def handle(_: AsyncIterator[bytes], context: Context) -> bytes:
        return await handler(Request(), context)

    # To the wire it is all the same. As a unary method grpcio would hold the bytes of the
    # request until the call ends, and never answer a call that has none.
    return grpc.stream_unary_rpc_method_handler(handle)


def stream_method(
    method: StreamMethod, descriptor: MethodDescriptor, errors: Errors, service: str
) -> grpc.RpcMethodHandler[Any, Any]:
    """One method that answers with a stream, served as one of `service`.

    Nobody needs a credential for such a one, and they last, so that there are STREAMS_MAX at most.
    """
    handler = _bounded(on_streams_of_bytes(method, GetMessageClass(descriptor.input_type)))
    return grpc.stream_stream_rpc_method_handler(
        errors.wrap_stream(f"{service}/{descriptor.name}", handler),
        response_serializer=GetMessageClass(descriptor.output_type).SerializeToString,
    )


def _bounded(inner: StreamHandler) -> StreamHandler:
    running = 0

    async def handle(requests: Any, context: Context) -> AsyncIterator[Any]:
        nonlocal running
        if running >= STREAMS_MAX:
            raise RpcAbort("RESOURCE_EXHAUSTED", "too many such streams are open")
        running += 1
        try:
            async for response in inner(requests, context):
                yield response
        finally:
            running -= 1

    return handle
