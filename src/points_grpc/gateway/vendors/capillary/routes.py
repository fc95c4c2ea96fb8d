"""Capillary: POST /v2/points/updateExpiry, UpdateExpiry for a list of lots."""

from __future__ import annotations

from starlette.responses import Response

from points_grpc.gateway.credentials import Form
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import Failure
from points_grpc.gateway.request import HttpCall, Route, one_query
from points_grpc.gateway.strict_json import answer
from points_grpc.gateway.vendors.capillary.decode import read_request
from points_grpc.gateway.vendors.capillary.encode import written
from points_grpc.gateway.vendors.capillary.errors import of_call

_UPDATE_EXPIRY = "points.v1.PointsService/UpdateExpiry"


async def update_expiry(call: HttpCall) -> Response:
    """Give lots other expiries, each for itself."""
    one_query(call.query)
    request = read_request(call.body, call.idempotency_key("Idempotency-Key"))
    response = await call.ask(_UPDATE_EXPIRY, request)
    return answer(written(request, response))


def error(failure: Failure, _: HttpCall) -> Response:
    """The failure as the page has it."""
    number, message = of_call(failure)
    body = {"errors": [{"status": False, "code": number, "message": message}]}
    return answer(body, failure.http_status)


DIALECT = Dialect(
    name="capillary",
    credentials=(Form.BEARER, Form.BASIC, Form.X_CAP_API_AUTH),
    routes=(Route("POST", "/v2/points/updateExpiry", update_expiry, asks=_UPDATE_EXPIRY),),
    error=error,
)
