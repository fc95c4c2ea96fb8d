"""What is declared about Altcraft's page."""

from __future__ import annotations

from typing import Any

from points_grpc.gateway.flat_xml import XML_BYTES_MAX
from points_grpc.gateway.openapi.pages import (
    Answer,
    Json,
    Operation,
    VendorPage,
    reference,
    schemas_of,
    told,
)
from points_grpc.gateway.request import BODY_BYTES_MAX
from points_grpc.gateway.vendors.altcraft.routes import (
    DIALECT,
    NEEDS,
    XML_TYPES,
    ExpiringPoints,
)

_EXAMPLE = {
    "token": "demo",
    "loyalty_program_id": 123,
    "points_currency_eid": "bonus_points",
    "matching": "email",
    "email": "user@example.com",
    "date_from": "2023-09-01T00:00:00Z",
    "date_to": "2023-09-30T23:59:59Z",
}
_FOUND = {"data": {"expiring_points": "150.24"}, "error": 0, "error_text": "Successful operation"}
_OPTIONAL = " Null, empty and 0 count as not given."


def _request() -> Json:
    schema = told(
        schemas_of(ExpiringPoints)["ExpiringPoints"],
        token={
            "description": "API token. In development `demo`.",
            "minLength": 1,
            "examples": ["demo"],
        },
        loyalty_program_id="Loyalty program ID",
        points_currency_eid="External points currency ID. Required without points_currency_iid,"
        " and not to be given beside it." + _OPTIONAL,
        points_currency_iid="Internal points currency ID. Required without points_currency_eid,"
        " and not to be given beside it." + _OPTIONAL,
        date_from={"description": "Period start date (inclusive)", "format": "date-time"},
        date_to={"description": "Period end date (inclusive)", "format": "date-time"},
        matching={"description": "Profile lookup method", "enum": list(NEEDS)},
        field_name="Custom field name. Required if matching = custom.",
        field_value="Custom field value. Required if matching = custom.",
        email="Member email. Required if matching = email.",
        phone="Member phone number in international format. Required if matching = phone.",
        profile_id="Profile ID. Required if matching = profile_id.",
    )
    return {**schema, "allOf": [_needed(way, fields) for way, fields in NEEDS.items()]}


def _needed(way: str, fields: tuple[str, ...]) -> Json:
    return {
        "if": {"properties": {"matching": {"const": way}}, "required": ["matching"]},
        "then": {"required": list(fields)},
    }


def _answers() -> dict[str, Json]:
    numbers: Json = {
        "error": {"type": "integer", "description": "Error code; 0: none"},
        "error_text": {"type": "string", "description": "Error text"},
    }
    points: Json = {
        "type": "string",
        "pattern": r"^[0-9]+(\.[0-9]+)?$",
        "description": "Number of points that will expire during the specified period",
    }
    data: Json = {
        "type": "object",
        "required": ["expiring_points"],
        "properties": {"expiring_points": points},
    }
    return {
        "Found": {
            "type": "object",
            "required": ["data", "error", "error_text"],
            "properties": {"data": data, **numbers},
            "xml": {"name": "xml"},
        },
        "Error": {
            "type": "object",
            "required": ["error", "error_text"],
            "properties": numbers,
            "xml": {"name": "xml"},
        },
    }


_XML_REQUEST = "".join(
    ["<xml>\n", *(f"<{name}>{value}</{name}>\n" for name, value in _EXAMPLE.items()), "</xml>"]
)
_XML_FOUND = (
    "<xml>\n<data>\n<expiring_points>150.24</expiring_points>\n</data>\n"
    "<error>0</error>\n<error_text>Successful operation</error_text>\n</xml>"
)


def _xml(schema: Json, example: str = "") -> dict[str, Json]:
    content: dict[str, Any] = {"schema": schema}
    if example:
        content["example"] = example
    return dict.fromkeys(XML_TYPES, content)


def _error(said: str, number: int, text: str) -> Answer:
    example = {"example": {"error": number, "error_text": text}}
    return Answer(said, "Error", example, _xml(reference("Error")))


PAGE = VendorPage(
    dialect=DIALECT,
    title="Altcraft: expiring points for a period",
    version="v1.1",
    description="JSON, or XML of the same names in one element `xml`; the answer is of the same"
    f" kind. JSON may have {BODY_BYTES_MAX // 1024} KiB, XML {XML_BYTES_MAX // 1024} KiB. The token"
    " stands in the body.",
    operations={
        ("POST", "/api/v1.1/loyalty/account/expiring_points"): Operation(
            id="expiringPoints",
            asks="GetExpiringPoints",
            summary="Expiring points for a period",
            description="Returns the number of points that are subject to expiration during the"
            " specified period for the selected points currency.",
            body="ExpiringPoints",
            examples={"request": _EXAMPLE},
            media=_xml({"type": "string", "description": "`ExpiringPoints` in XML"}, _XML_REQUEST),
            answers={
                200: Answer(
                    "Successful operation",
                    "Found",
                    {"response": _FOUND},
                    _xml(reference("Found"), _XML_FOUND),
                ),
                400: _error("A field is missing or wrong, by its name", 400, "email is required."),
                401: _error(
                    "The token is missing or wrong",
                    401,
                    "The credential is missing or not valid.",
                ),
                403: _error(
                    "The token does not allow the call",
                    403,
                    "The credential does not allow this method.",
                ),
                404: _error("No such program, currency or member", 404, "There is no such member."),
                408: _error("The body is too slow", 408, "The body did not arrive in time."),
                413: _error("The body is too large", 413, "The body is larger than 64 KiB."),
                415: _error(
                    "The body is of another type",
                    415,
                    "Content-Type must be application/json or application/xml or text/xml, in"
                    " UTF-8.",
                ),
                429: _error("Too many calls", 429, "There is too much to do; try again."),
                500: _error("A fault of ours", 500, f"Internal error {'0' * 32}."),
                503: _error(
                    "The service is out of reach", 503, "The service cannot be reached; try again."
                ),
                504: _error("The deadline was passed", 504, "The call took longer than it may."),
            },
        ),
    },
    schemas={"ExpiringPoints": _request(), **_answers()},
)
