"""/v1: request ids in headers, and what its errors look like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from tests.support.gateway.v1 import EARN, MakeCaller, refusal

from points.v1 import earn_pb2
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.transcoding.binding import bindings


# Request ids
def asked_with(upstream: Any, caller: MakeCaller, body: Any, **headers: str) -> str:
    upstream.answers["Earn"] = earn_pb2.EarnResponse()
    assert caller()("POST", "/v1/points:earn", body, **headers).status == 200
    return str(upstream.asked[-1][1].request_id)


def test_a_header_gives_the_request_id(upstream: Any, caller: MakeCaller) -> None:
    """The request_id is the body's, else Idempotency-Key, else none; X-Request-Id is no key."""
    both = {"idempotency_key": "key", "x_request_id": "trace"}
    assert asked_with(upstream, caller, EARN | {"requestId": "own"}, **both) == "own"
    assert asked_with(upstream, caller, EARN, **both) == "key"
    assert asked_with(upstream, caller, EARN, x_request_id="trace") == ""
    assert asked_with(upstream, caller, EARN) == ""


@pytest.mark.parametrize("body", [EARN, EARN | {"requestId": "own"}])
def test_an_empty_key_is_refused(caller: MakeCaller, body: Any) -> None:
    """An empty Idempotency-Key protects nothing, so it is refused, whatever the body has."""
    headers = [
        ("authorization", "Bearer demo"),
        ("content-type", "application/json"),
        ("idempotency-key", ""),
    ]
    answered = caller().send("POST", b"/v1/points:earn", [json.dumps(body).encode()], headers)
    assert refusal(answered) == ("Idempotency-Key", "must not be empty")


def test_a_key_that_cannot_be_kept_is_refused(upstream: Any, caller: MakeCaller) -> None:
    """A method without a request_id refuses an Idempotency-Key; an X-Request-Id only traces."""
    upstream.answers["BatchEarn"] = earn_pb2.BatchEarnResponse()
    call = caller()
    assert call("POST", "/v1/points:batchEarn", {}, x_request_id="r").status == 200
    answered = call("POST", "/v1/points:batchEarn", {}, idempotency_key="r")
    assert refusal(answered) == ("Idempotency-Key", "does not go with this method")


# Errors
def test_refusals_are_those_of_aip_193(upstream: Any, caller: MakeCaller) -> None:
    """An error has code, status, message and the service's details with their types."""
    status = status_pb2.Status(code=9, message="Not enough.")
    info = error_details_pb2.ErrorInfo(reason="INSUFFICIENT_POINTS", metadata={"available": "5"})
    status.details.add().Pack(info)
    upstream.answers["Redeem"] = UpstreamRefusal(status)
    answered = caller()("POST", "/v1/points:redeem", {})
    assert answered.status == 409
    assert answered.json == {
        "error": {
            "code": 409,
            "status": "FAILED_PRECONDITION",
            "message": "Not enough.",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "INSUFFICIENT_POINTS",
                    "domain": "",
                    "metadata": {"available": "5"},
                }
            ],
        }
    }


def test_who_is_not_let_in_is_told_how(upstream: Any, caller: MakeCaller) -> None:
    """A 401 names the scheme to use."""
    upstream.answers["GetLot"] = UpstreamRefusal(status_pb2.Status(code=16))
    answered = caller()("GET", "/v1/lots/5", authorization="Bearer another")
    assert (answered.status, answered.headers["www-authenticate"]) == (401, "Bearer")
    assert upstream.asked[0][2].token == "another"


def test_what_the_service_does_not_offer_is_not_there(upstream: Any, caller: MakeCaller) -> None:
    """The test clock of a service that has none is an unknown path."""
    upstream.answers["GetClock"] = UpstreamRefusal(status_pb2.Status(code=12))
    answered = caller()("GET", "/v1/dev/clock")
    assert answered.status == 404
    assert answered.json == caller()("GET", "/v1/nothing").json


def test_annotations_that_are_not_understood_are_found_at_the_start() -> None:
    """A route that could not be served as annotated is an error when the gateway is made."""
    file = descriptor_pb2.FileDescriptorProto(name="odd.proto", package="odd", syntax="proto3")
    file.message_type.add(name="Odd")
    method = file.service.add(name="S").method.add(
        name="M", input_type=".odd.Odd", output_type=".odd.Odd"
    )
    method.options.Extensions[annotations_pb2.http].get = "/v1/{name=shelves/*}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(ValueError, match="cannot serve"):
        list(bindings(pool.FindServiceByName("odd.S").methods_by_name["M"]))
