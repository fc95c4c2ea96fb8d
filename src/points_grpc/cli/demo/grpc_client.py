"""Calls a server the way grpcurl does: by method name and JSON, with the server's own schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

Json = dict[str, Any]

_TIMEOUT_SECONDS = 20.0


class Refused(Exception):
    """The server refused; `reason` is the machine-readable one, empty where there is none.

    `problem` says what is wrong with which field, where one is at fault.
    """

    def __init__(self, code: str, reason: str, message: str, problem: str = "") -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.problem = code, reason, message, problem


class Service:
    """A server and the methods that it offers by reflection."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address)
        self._schema = ProtoReflectionDescriptorDatabase(self._channel)
        self._pool = DescriptorPool(self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def offers(self, service: str) -> bool:
        """Whether the server says that it has a service of that full name.

        One that does not offer reflection says so of none. Raises Refused if it is away.
        """
        try:
            return service in self._schema.get_services()
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return False
            raise _refused(error) from None

    def call(self, method: str, request: Mapping[str, Any]) -> Json:
        """Return the answer to `method` (`points.v1.PointsService/Earn`). Raises Refused."""
        service, _, name = method.rpartition("/")
        about = self._pool.FindServiceByName(service).methods_by_name[name]
        question = ParseDict(dict(request), GetMessageClass(about.input_type)())
        call: grpc.UnaryUnaryMultiCallable[Any, Any] = self._channel.unary_unary(
            f"/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(about.output_type).FromString,
        )
        try:
            answer = call(question, timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            raise _refused(error) from None
        return MessageToDict(answer, preserving_proto_field_name=True, descriptor_pool=self._pool)


def refused_item(status: Json) -> Refused:
    """Return the refusal of one item of a batch, from its google.rpc.Status."""
    reasons = [detail["reason"] for detail in status.get("details", ()) if "reason" in detail]
    return Refused(str(status.get("code", 0)), reasons[0], status.get("message", ""))


def _refused(error: grpc.RpcError) -> Refused:
    status = rpc_status.from_call(error)
    reason = problem = ""
    for detail in status.details if status is not None else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad) and bad.field_violations:
            violation = bad.field_violations[0]
            problem = f"{violation.field} {violation.description}"
    return Refused(error.code().name, reason, error.details() or "", problem)
