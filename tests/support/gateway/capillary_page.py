"""What the tests of Capillary's dialect without a service share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from points.v1.update_expiry_pb2 import UpdateExpiryRequest, UpdateExpiryResponse
from points_grpc import errors
from points_grpc.gateway.vendors.capillary.routes import DIALECT
from points_grpc.rpc.status import status_of

PATH = "/v2/points/updateExpiry"
ITEMS = "expiryDateUpdateRequest"
MISSING = object()
REQUIRED: dict[str, Any] = {
    "identifierName": "externalId",
    "identifierValue": "A-1",
    "programId": 469,
    "pointsAwardedRefId": 117521910,
    "pointsAwardedRefType": "POINT_AWARDED",
    "expiryDate": {"expiryType": "FIXED_DAYS", "expiryValue": "30"},
}
KINDS = (
    "POINT_AWARDED",
    "POINT_AWARDED_BILL_PROMOTION",
    "POINT_AWARDED_LINEITEM",
    "POINT_AWARDED_LINEITEM_PROMOTION",
    "POINT_AWARDED_CUSTOMER_PROMOTION",
)
SAYING = {
    8931: "Points expiry update request is invalid or empty",
    8932: "Identifier name is required for the points expiry update",
    8933: "Identifier value is required for the points expiry update",
    8934: "Program ID is required for points expiry update",
    8935: "Invalid standard meta key",
    8937: "Points awarded reference ID is required",
    8938: "Points awarded reference type is required",
}

Post = Callable[..., Any]


def item(**changes: Any) -> dict[str, Any]:
    """An item of what is required and nothing else, with these changes."""
    return {name: value for name, value in (REQUIRED | changes).items() if value is not MISSING}


def expiring(way: Any, value: Any = MISSING) -> dict[str, Any]:
    given = {"expiryType": way, "expiryValue": value}
    return {"expiryDate": {name: v for name, v in given.items() if v is not MISSING}}


def refusals(*refused: errors.Refusal) -> UpdateExpiryResponse:
    return UpdateExpiryResponse(results=[{"error": status_of(one)} for one in refused])


def poster(upstream: Any, caller: Callable[..., Any]) -> Post:
    """Sends items; unless told otherwise the service has no such lot."""
    upstream.answers["UpdateExpiry"] = refusals(errors.LotNotFound())
    call = caller(DIALECT)
    return lambda *items, **headers: call("POST", PATH, {ITEMS: list(items)}, **headers)


def fault(answered: Any) -> tuple[int, int, str]:
    [error] = answered.json["errors"]
    assert list(answered.json) == ["errors"]
    assert list(error) == ["status", "code", "message"]
    assert error["status"] is False
    return answered.status, error["code"], error["message"]


def asked(upstream: Any) -> UpdateExpiryRequest:
    """The UpdateExpiry that the service was asked for."""
    [request] = [request for method, request, _ in upstream.asked if "Update" in method]
    return request
