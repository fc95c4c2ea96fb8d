"""What is declared about TBNS's page."""

from __future__ import annotations

from points_grpc.gateway.openapi.pages import Answer, Json, Operation, VendorPage, schemas_of, told
from points_grpc.gateway.vendors.tbns.routes import (
    BASE,
    DIALECT,
    STATES,
    UPDATES,
    Creation,
    Points,
    TbnsError,
    Update,
)

_USER = "1749801330826x541366778024405570"
_CREATION: Json = {
    "subid": "order-12345",
    "amount": 100,
    "user_view_text": "Points for completing survey",
    "user_id": _USER,
}
_UPDATE = {"point_id": "1749807859784x717369051962552600", "status": "Closed"}
_POINT: Json = {
    "point_id": "70368744177665",
    **_CREATION,
    "status": "Open",
    "created_at": "2025-06-13T07:55:30.826Z",
    "updated_at": "2025-06-13T07:55:30.826Z",
}
_CLOSED = {**_POINT, "status": "Closed"}


def _schemas() -> dict[str, Json]:
    found = schemas_of(Creation, Update, Points, TbnsError)
    found["Creation"] = told(
        found["Creation"],
        subid={"description": "External reference ID", "minLength": 1, "maxLength": 256},
        amount={"description": "Point amount", "exclusiveMinimum": 0},
        user_view_text={
            "description": "Description visible to user",
            "minLength": 1,
            "maxLength": 1024,
        },
        user_id={"description": "Target user's ID", "minLength": 1, "maxLength": 256},
    )
    found["Update"] = told(
        found["Update"],
        point_id={"description": "ID of the point transaction to update", "minLength": 1},
        status={"description": "New status", "enum": list(UPDATES)},
    )
    point = told(
        found["Point"],
        created_at={"description": "When it was recorded", "format": "date-time"},
        updated_at={"description": "When its status last changed", "format": "date-time"},
        status={"enum": list(STATES)},
        point_id="What the update takes",
    )
    amount = {"type": "number", "description": "With the currency's decimals"}
    found["Point"] = {**point, "properties": {**point["properties"], "amount": amount}}
    found["Points"] = told(
        found["Points"],
        points="The largest amount first; at most 1000",
        next_page_token={"description": "Where the next page begins; empty: this was the last one"},
    )
    found["TbnsError"] = told(found["TbnsError"], error="What is wrong, as a sentence")
    return found


def _error(said: str, text: str) -> Answer:
    return Answer(said, "TbnsError", {"example": {"error": text}})


_COMMON = {
    400: _error("The request is at fault, by its field", "status must be Pending or Closed."),
    401: _error("The X-Token is missing or wrong", "The X-Token is missing or not valid."),
    403: _error("The X-Token does not allow this", "The X-Token does not allow this."),
    429: _error("Too many calls", "The server has more work than it can take."),
    500: _error("A fault of ours", f"internal error {'0' * 32}"),
    503: _error("The service is out of reach", "The service cannot be reached; try again."),
    504: _error("The deadline was passed", "The call took longer than it may."),
}
_WITH_BODY = {
    **_COMMON,
    408: _error("The body is too slow", "The body did not arrive in time."),
    413: _error("The body is too large", "The body is larger than 1024 KiB."),
    415: _error("The body is no JSON", "Content-Type must be application/json, in UTF-8."),
}
_LISTED = Answer(
    "The transactions, the largest amount first",
    "Points",
    {"example": {"points": [_POINT], "next_page_token": ""}},
)
_FILTERS: tuple[Json, ...] = (
    {
        "name": "user_id",
        "in": "query",
        "description": "Filter by specific user ID",
        "schema": {"type": "string", "minLength": 1},
    },
    {
        "name": "status",
        "in": "query",
        "description": "Filter by transaction status",
        "schema": {"type": "string", "enum": list(STATES)},
    },
    {
        "name": "next_page_token",
        "in": "query",
        "description": "The next_page_token of the page before, with the same filters",
        "schema": {"type": "string", "minLength": 1},
    },
)

PAGE = VendorPage(
    dialect=DIALECT,
    title="TBNS: points management",
    version="1",
    description="For the default currency of the credential's default program. `X-Token` is the"
    " credential; the bearer is a public key, which may be anything and may be missing.",
    operations={
        ("POST", "/api/points/create"): Operation(
            id="createPoints",
            asks="Earn",
            summary="Create points",
            description="Create a new point transaction for a user, with the status `Open`.",
            body="Creation",
            examples={"request": _CREATION},
            answers={
                200: Answer("The point transaction", "Point", {"example": _POINT}),
                404: _error(
                    "No such user, and none is enrolled", "There is no user with this user_id."
                ),
                **_WITH_BODY,
            },
        ),
        ("GET", "/api/user/points"): Operation(
            id="getUserPoints",
            asks="ListTransactions",
            summary="Get user points",
            description="Retrieve point transactions with optional filtering. Results are sorted by"
            " amount in descending order.",
            parameters=_FILTERS,
            answers={200: _LISTED, **_COMMON},
        ),
        ("GET", "/api/user/points&{filters}"): Operation(
            id="getUserPointsWithoutQuestionMark",
            asks="ListTransactions",
            summary="Get user points, as the page has it once",
            description="The filters in the path, without a question mark.",
            parameters=(
                {
                    "name": "filters",
                    "in": "path",
                    "required": True,
                    "description": "The query; & and = within a value are escaped (%26, %3D)",
                    "schema": {"type": "string", "minLength": 1},
                    "example": "status=Closed",
                },
            ),
            answers={200: _LISTED, **_COMMON},
        ),
        ("PATCH", "/api/points/update"): Operation(
            id="updatePoints",
            asks="UpdateTransactionStatus",
            summary="Update points status",
            description="Update the status of a point transaction. Only transactions with `Open`"
            " status can be modified.",
            body="Update",
            examples={"request": _UPDATE},
            answers={
                200: Answer("The point transaction", "Point", {"example": _CLOSED}),
                404: _error(
                    "No such transaction", "There is no point transaction with this point_id."
                ),
                409: _error(
                    "The status is not `Open`",
                    'Only transactions with the status "Open" can be updated; this one has the'
                    ' status "Closed".',
                ),
                **_WITH_BODY,
            },
        ),
    },
    schemas=_schemas(),
    bases=("", BASE),
    more_security=({"xToken": [], "publicKey": []},),
    more_schemes={
        "publicKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "A public key, which is not looked at.",
        }
    },
)
