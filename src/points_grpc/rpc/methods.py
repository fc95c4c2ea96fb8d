"""Joins servicers, interceptors and the contract's services to what grpcio serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from points_grpc.rpc.interceptors import Interceptor
from points_grpc.rpc.interceptors.messages import Method, on_bytes


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
    """One method of a servicer, described by `descriptor`, within `interceptors`."""
    name = f"{descriptor.containing_service.full_name}/{descriptor.name}"
    handler = on_bytes(method, GetMessageClass(descriptor.input_type))
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap(name, handler)
    return grpc.unary_unary_rpc_method_handler(handler)
