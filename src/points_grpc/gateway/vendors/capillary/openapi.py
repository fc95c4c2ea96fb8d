"""What is declared about Capillary's page."""

from __future__ import annotations

from points_grpc.gateway.openapi.pages import Answer, Json, Operation, VendorPage, reference
from points_grpc.gateway.vendors.capillary import decode, errors
from points_grpc.gateway.vendors.capillary.routes import DIALECT

_INT64: Json = {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1}
_TEXT: Json = {"type": ["string", "null"]}
_TIME: Json = {
    "type": ["string", "null"],
    "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
}
_META_SAID = {
    "who_raised": "Who raised the points expiry update request",
    "who_approved": "Who approved the points expiry update request",
    "reason_for_trigger": "Reason for expiring or extending the points expiry update",
}
_META = {name: {"type": "string", "description": _META_SAID[name]} for name in decode.META}

_ITEM: Json = {
    "identifierName": "id",
    "identifierValue": "172440986",
    "programId": 469,
    "pointsAwardedRefId": 117521910,
    "pointsAwardedRefType": "POINT_AWARDED",
    "expiryUpdateReasonType": "EXTEND_EXPIRY",
    "expiryUpdateReasonNote": "Customer made a purchase above $100",
    "standardMeta": {
        "who_raised": "Naman",
        "who_approved": "Admin",
        "reason_for_trigger": "Extend points expiry",
    },
    "customMeta": {"abc": "xyz"},
    "expiryDate": {"expiryType": "FIXED_DATE", "expiryValue": "2025-08-09"},
}
_CHANGED: Json = {
    "customerId": 172440986,
    "programId": 469,
    "currencyName": "POINTS",
    "pointsExpiryUpdateLogs": {
        "paType": "POINT_AWARDED",
        "paId": 117521910,
        "expiryUpdateReasonType": "EXTEND_EXPIRY",
        "expiryUpdateReasonNote": "xyz",
        "oldExpiryDate": "2022-12-31 23:59:59",
        "newExpiryDate": "2025-08-09 23:59:59",
        "eventLogId": 41420339,
        "eventDate": "2025-07-07 06:39:11",
        "standardMeta": {
            "reason_for_trigger": "test",
            "who_approved": "Admin",
            "who_raised": "Naman",
        },
        "customMeta": {"abc": "xyz"},
    },
}


def _said(schema: Json, description: str) -> Json:
    return {**schema, "description": description}


def _one_of(values: object, description: str, nullable: bool = False) -> Json:
    names = [*values, None] if nullable else [*values]  # type: ignore[misc]
    kind: Json = {"type": ["string", "null"] if nullable else "string"}
    return {**kind, "enum": names, "description": description}


def _object(description: str, required: list[str], properties: Json) -> Json:
    made: Json = {"type": "object", "description": description, "properties": properties}
    return {**made, "required": required} if required else made


def _sent() -> dict[str, Json]:
    item = _item()
    if item["properties"].keys() != decode.FIELDS:
        raise ValueError("capillary: an item has other fields than are declared")
    items = {"type": "array", "minItems": 1, "maxItems": decode.ITEMS_MAX}
    request = _object(
        "What to change, done in order",
        [errors.ITEMS],
        {errors.ITEMS: {**items, "items": reference("ExpiryDateUpdate")}},
    )
    return {
        "UpdateExpiryRequest": {**request, "additionalProperties": False},
        "ExpiryDateUpdate": {**item, "additionalProperties": False},
    }


def _item() -> Json:
    return _object(
        "A customer, the points, and their new expiry",
        [
            *("identifierName", "identifierValue", "programId"),
            *("pointsAwardedRefId", "pointsAwardedRefType", "expiryDate"),
        ],
        {
            "identifierName": _one_of(decode.IDENTIFIERS, "Identifier type for customer ID"),
            "identifierValue": {
                "type": "string",
                "minLength": 1,
                "description": "Value corresponding to the identifierName provided",
            },
            "programId": _said(_INT64, "Unique ID of the loyalty program"),
            "pointsAwardedRefId": _said(_INT64, "Unique reference ID of the points awarded"),
            "pointsAwardedRefType": _one_of(decode.KINDS, "Type of points awarded to the user"),
            "currencyName": _said(_TEXT, "Name of the reward currency"),
            "pointCategoryType": _one_of(decode.CATEGORIES, "Type of points", nullable=True),
            "expiryUpdateReasonType": _one_of(
                decode.REASON_TYPES, "Type of expiry modification", nullable=True
            ),
            "expiryUpdateReasonNote": _said(_TEXT, "Reason for updating the points expiry date"),
            "standardMeta": {
                "type": ["object", "null"],
                "description": "Who raised and approved the request, and why",
                "properties": _META,
                "additionalProperties": False,
            },
            "customMeta": {"type": ["object", "null"], "description": "Custom metadata"},
            "expiryDate": {**_expiry(), "additionalProperties": False},
        },
    )


def _expiry() -> Json:
    return _object(
        "The updated points expiry date",
        ["expiryType"],
        {
            "expiryType": _one_of(
                decode.EXPIRY_TYPES,
                "FIXED_DATE: on a date. FIXED_DAYS: after a number of days. FIXED_MONTHS: after a"
                " number of months. IMMEDIATE: after the request is executed.",
            ),
            "expiryValue": {
                "type": ["string", "integer", "null"],
                "description": "The date in YYYY-MM-DD format, or the number of days or months."
                " Required unless IMMEDIATE.",
            },
        },
    )


def _answered() -> dict[str, Json]:
    logs: Json = {
        "paType": _one_of(decode.KINDS, "Type of points awarded to the user"),
        "paId": _said(_INT64, "Unique reference ID of the points awarded"),
        "expiryUpdateReasonType": _one_of(
            decode.REASON_TYPES, "Type of expiry modification", nullable=True
        ),
        "expiryUpdateReasonNote": _said(_TEXT, "Reason for updating the points expiry date"),
        "oldExpiryDate": _said(_TIME, "Expiry before it, in the program's zone; null: never"),
        "newExpiryDate": _said(_TIME, "Expiry after it, in the program's zone; null: never"),
        "eventLogId": _said(_INT64, "Unique ID of the change"),
        "eventDate": _said({**_TIME, "type": "string"}, "When it was changed"),
        "standardMeta": {"type": ["object", "null"], "properties": _META},
        "customMeta": {"type": ["object", "null"]},
    }
    changed: Json = {
        "customerId": _said(_INT64, "Unique identifier of the customer"),
        "programId": _said(_INT64, "Unique identifier of the loyalty program"),
        "currencyName": {"type": "string", "description": "Unique name of the currency"},
        "pointsExpiryUpdateLogs": _object("The change", [*logs], logs),
    }
    failure: Json = {
        "pointsAwardedRefId": _INT64,
        "pointsAwardedRefType": _one_of(decode.KINDS, "As in the request"),
        "errorCode": {"type": "integer", "description": "8015, 3034, 3037, 8934 or 8936"},
        "errorMessage": {"type": "string"},
    }
    lists: Json = {
        "currencyExpiryUpdateResponse": {"type": "array", "items": reference("Changed")},
        "failures": {
            "type": "array",
            "items": reference("Refused"),
            "minItems": 1,
            "description": "Absent where nothing was refused",
        },
    }
    error: Json = {
        "status": {"const": False},
        "code": {"type": "integer"},
        "message": {"type": "string"},
    }
    listed = {"type": "array", "items": _object("", [*error], error), "minItems": 1}
    return {
        "Changed": _object("Points whose expiry was updated", [*changed], changed),
        "Refused": _object("Points whose expiry was not updated", [*failure], failure),
        "Updated": _object("Each for itself", ["currencyExpiryUpdateResponse"], lists),
        "Errors": _object("Why nothing was changed", ["errors"], {"errors": listed}),
    }


def _error(said: str, code: int, message: str) -> Answer:
    error = {"status": False, "code": code, "message": message}
    return Answer(said, "Errors", {"example": {"errors": [error]}})


def _failed(code: int, message: str, lot_id: int = 117521910) -> Json:
    failure = {
        "pointsAwardedRefId": lot_id,
        "pointsAwardedRefType": "POINT_AWARDED",
        "errorCode": code,
        "errorMessage": message,
    }
    return {"currencyExpiryUpdateResponse": [], "failures": [failure]}


_IN_DAYS = {**_ITEM, "expiryDate": {"expiryType": "FIXED_DAYS", "expiryValue": "30"}}
_NO_POINTS = errors.SAYING[errors.POINTS].format(kind="POINT_AWARDED", lot_id=1175219)
_CODES = "\n".join(f"- {code}: {said}" for code, said in errors.SAYING.items())

PAGE = VendorPage(
    dialect=DIALECT,
    title="Capillary: update currency expiry",
    version="v2",
    description=f"Errors have the page's numbers:\n\n{_CODES}\n- 8941: Valid values are: [...]",
    operations={
        ("POST", "/v2/points/updateExpiry"): Operation(
            id="updateExpiry",
            asks="UpdateExpiry",
            summary="Update currency expiry",
            description="This API updates the expiry date of points earned by a customer. It uses a"
            " customer ID and transaction reference data.",
            parameters=(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "description": "Makes repeating the call safe",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
                },
            ),
            body="UpdateExpiryRequest",
            examples={
                "fixedDate": {errors.ITEMS: [_ITEM]},
                "fixedDays": {errors.ITEMS: [_IN_DAYS]},
            },
            answers={
                200: Answer(
                    "Items are changed or refused each for itself",
                    "Updated",
                    {
                        "changed": {"currencyExpiryUpdateResponse": [_CHANGED]},
                        "noCustomer": _failed(errors.CUSTOMER, errors.SAYING[errors.CUSTOMER]),
                        "noPoints": _failed(errors.POINTS, _NO_POINTS, 1175219),
                        "inThePast": _failed(errors.IN_PAST, errors.SAYING[errors.IN_PAST]),
                    },
                ),
                400: _error(
                    "The request is invalid as a whole",
                    errors.CHOICE,
                    f"Valid values are: [{', '.join(decode.KINDS)}]",
                ),
                401: _error(
                    "The credential is missing or wrong",
                    401,
                    "The credential is missing or not valid.",
                ),
                403: _error(
                    "The credential does not allow this",
                    403,
                    "The credential does not allow this method.",
                ),
                408: _error("The body is too slow", 408, "The body did not arrive in time."),
                413: _error("The body is too large", 413, "The body is larger than 1024 KiB."),
                415: _error(
                    "The body is no JSON", 415, "Content-Type must be application/json, in UTF-8."
                ),
                422: _error(
                    "The Idempotency-Key was used before with other content",
                    errors.UPDATE_FAILED,
                    "Points expiry update failed: The request id was used before with other"
                    " content",
                ),
                429: _error("Too many calls", 429, "The server has more work than it can take."),
                500: _error("A fault of ours", 500, f"internal error {'0' * 32}"),
                503: _error(
                    "The service is out of reach", 503, "The service cannot be reached; try again."
                ),
                504: _error("The deadline was passed", 504, "The call took longer than it may."),
            },
        ),
    },
    schemas={**_sent(), **_answered()},
)
