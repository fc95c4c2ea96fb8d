"""/v1: every method of the contract as JSON over HTTP, driven by its descriptors.

Requests and answers are proto3 JSON, routes those of the google.api.http annotations, errors as
AIP-193 describes them. A method that is added to the contract is served without a line here.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from starlette.responses import Response

from points_grpc.gateway.credentials import Form
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import Failure, Problem, UpstreamRefusal, no_such_path
from points_grpc.gateway.request import BODY_BYTES_MAX, JSON, Handler, HttpCall, Route
from points_grpc.gateway.strict_json import answer, read_json_with_floats
from points_grpc.gateway.transcoding.binding import Binding, bindings
from points_grpc.gateway.transcoding.printing import to_json
from points_grpc.gateway.upstream import METHODS

KEY_HEADER = "Idempotency-Key"
"""The header that gives a request its request_id where it has none of its own."""


def canonical() -> Dialect:
    """The dialect of /v1, which answers for unknown paths as well."""
    return Dialect(name="v1", credentials=(Form.BEARER,), routes=tuple(_routes()), error=error)


def all_bindings() -> Iterator[tuple[str, Binding]]:
    """Every route of every method, with the method's full name."""
    for name, method in METHODS.items():
        for binding in bindings(method):
            yield name, binding


def error(failure: Failure, _: HttpCall) -> Response:
    """The answer to a failure."""
    return Response(error_body(failure), failure.http_status, media_type=JSON)


def error_body(failure: Failure) -> bytes:
    """The failure as AIP-193 has it."""
    shown = {
        "code": failure.http_status,
        "status": failure.code,
        "message": failure.message,
        "details": [to_json(detail) for detail in failure.status().details],
    }
    return msgspec.json.encode({"error": shown})


def _routes() -> Iterator[Route]:
    for name, binding in all_bindings():
        body = {JSON: BODY_BYTES_MAX} if binding.body else {}
        yield Route(binding.verb, binding.path, _handler(name, binding), body, name)


def _handler(name: str, binding: Binding) -> Handler:
    writes = binding.verb != "GET"

    async def handle(call: HttpCall) -> Response:
        body = read_json_with_floats(call.body) if call.body else {}
        request = binding.request(call.path, call.query, body)
        if writes:
            _put_request_id(request, binding.method, call)
        try:
            return answer(to_json(await call.ask(name, request)))
        except UpstreamRefusal as refusal:
            if refusal.code == "UNIMPLEMENTED":
                # Such as the test clock, which only a service for development offers.
                raise no_such_path() from None
            raise

    return handle


def _put_request_id(request: Message, method: MethodDescriptor, call: HttpCall) -> None:
    """Take the request_id from the header, where the request has none.

    A promise to repeat safely that the method cannot keep is refused.
    """
    key = call.idempotency_key(KEY_HEADER)
    if "request_id" in method.input_type.fields_by_name:
        request.request_id = request.request_id or key  # type: ignore[attr-defined]
    elif key:
        raise Problem(KEY_HEADER, "does not go with this method")
