"""Headers that make a call safe to repeat, and those that do not, in every API that writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.rpc import status_pb2
from tests.support.gateway.capillary_page import ITEMS, PATH, item

from points.v1.program_pb2 import GetProgramResponse
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.vendors import DIALECTS
from points_grpc.gateway.vendors.autional import routes as autional
from points_grpc.gateway.vendors.capillary import routes as capillary
from points_grpc.gateway.vendors.tbns import routes as tbns

POINT = {"subid": "s", "amount": 5, "user_view_text": "t", "user_id": "ann"}
WRITES: dict[str, tuple[str, Any, str]] = {
    "v1": ("/v1/points:earn", {}, "Idempotency-Key"),
    autional.DIALECT.name: ("/admin/points/ann/expire", {"amount": 5}, "X-Idempotency-Key"),
    capillary.DIALECT.name: (PATH, {ITEMS: [item()]}, "Idempotency-Key"),
    tbns.DIALECT.name: (tbns.DIALECT.routes[0].path, POINT, ""),
}
"""A call of each API that changes something, and the header that is its key (empty: none)."""


@pytest.fixture
def keys(upstream: Any, caller: Callable[..., Any]) -> Callable[..., list[str]]:
    """Sends a call with headers; returns the request ids that the service was asked with."""
    for method in ("Earn", "Expire", "UpdateExpiry", "GetAccount"):
        upstream.answers[method] = UpstreamRefusal(status_pb2.Status(code=9))
    upstream.answers["GetProgram"] = GetProgramResponse(program={"time_zone": "UTC"})

    def send(name: str, *headers: tuple[str, str]) -> list[str]:
        path, body, _ = WRITES[name]
        sent = [
            ("authorization", "Bearer demo"),
            ("x-token", "demo"),
            ("content-type", "application/json"),
            *headers,
        ]
        caller(*DIALECTS).send("POST", path.encode(), [json.dumps(body).encode()], sent)
        asked = [request for _, request, _ in upstream.asked]
        return [request.request_id for request in asked if hasattr(request, "request_id")]

    return send


@pytest.mark.parametrize("name", WRITES)
def test_a_request_id_is_no_key(keys: Callable[..., list[str]], name: str) -> None:
    """X-Request-Id follows a call through logs: the service is never asked with it as its id."""
    assert set(keys(name, ("X-Request-Id", "trace"))) == {""}


@pytest.mark.parametrize("name", [name for name, (*_, key) in WRITES.items() if key])
def test_a_key_is_one(keys: Callable[..., list[str]], name: str) -> None:
    """The API's own header goes on as the request id, also beside an X-Request-Id."""
    header = WRITES[name][2]
    assert set(keys(name, (header, "k"), ("X-Request-Id", "trace"))) == {"k"}


@pytest.mark.parametrize("name", [name for name, (*_, key) in WRITES.items() if key])
def test_an_empty_key_asks_nothing(keys: Callable[..., list[str]], name: str) -> None:
    """Whoever sends an empty key expects a protection that it does not give: it is refused."""
    assert keys(name, (WRITES[name][2], "")) == []
