"""What is declared about CrowdTwist's page."""

from __future__ import annotations

from points_grpc.gateway.openapi.pages import (
    Answer,
    Json,
    Operation,
    VendorPage,
    reference,
    schemas_of,
    told,
)
from points_grpc.gateway.vendors.crowdtwist.routes import (
    DIALECT,
    ID_TYPES,
    PATH,
    PATH_WITHOUT_USER,
    CrowdTwistError,
    PointsExpiration,
)

# The page's first sample, month by month: expired, expiring, redeemed, and when.
_MONTHS = (
    (100, 0, 0, "2022-02-28T00:00:00.000Z"),
    (0, 0, 0, "2022-03-31T00:00:00.000Z"),
    (200, 0, 0, "2022-04-30T00:00:00.000Z"),
    (0, 1000, 0, "2022-05-31T00:00:00.000Z"),
    (0, 3013, 120, "2022-06-30T11:00:00.000Z"),
    (0, 2000, 0, "2022-07-31T00:00:00.000Z"),
    (0, 0, 0, "2022-08-31T00:00:00.000Z"),
    (0, 0, 0, "2022-09-30T00:00:00.000Z"),
    (0, 1000, 0, "2022-10-31T00:00:00.000Z"),
    (0, 0, 0, "2022-11-30T00:00:00.000Z"),
)
_MONTH_FIELDS = ("points_expired", "points_expiring", "points_redeemed", "expiration_date")
_IDLE = {
    "last_qualified_date": "2022-05-25T08:45:41.000Z",
    "expiration_date": "2023-05-25T08:45:41.000Z",
    "days_until_expiry": 365,
    "points_expiring": 200,
}
_PERIODS = [dict(zip(_MONTH_FIELDS, month, strict=True)) for month in _MONTHS]


def _found(periods: list[dict[str, object]], idle: list[dict[str, object]]) -> Json:
    return {
        "redemption_period_points_expiration": periods,
        "inactivity_points_expiration": idle,
    }


def _schemas() -> dict[str, Json]:
    found = schemas_of(PointsExpiration, CrowdTwistError)
    found["PointsExpiration"] = told(
        found["PointsExpiration"],
        redemption_period_points_expiration="Three trailing months, the current month and six"
        " forward months; empty where no points expire after a set redemption period",
        inactivity_points_expiration="Empty where no points expire after a period of inactivity",
    )
    found["RedemptionPeriod"] = told(
        found["RedemptionPeriod"],
        points_expired="Number of points expired in the given month; 0 for future months",
        points_expiring="Number of points expiring in the given month; 0 for trailing months",
        points_redeemed="Number of points redeemed out of those that expire in the given month",
        expiration_date={
            "description": "The UTC date and time of points expiration per month",
            "format": "date-time",
        },
    )
    found["Inactivity"] = told(
        found["Inactivity"],
        last_qualified_date={
            "description": "The UTC date and time of the last qualifying activity performed",
            "format": "date-time",
        },
        expiration_date={
            "description": "The UTC date and time when the points will be expired",
            "format": "date-time",
        },
        days_until_expiry="Number of days left after which points will be expired",
        points_expiring="Number of points that expire if no qualifying activity is performed",
    )
    found["CrowdTwistError"] = told(
        found["CrowdTwistError"],
        error="This is a short form of the error.",
        message="What is wrong, as specifically as possible",
    )
    # Without a configuration the page answers 200 with an error.
    either = [reference("PointsExpiration"), reference("CrowdTwistError")]
    return {**found, "Answer": {"oneOf": either}}


def _error(said: str, error: str, message: str) -> Answer:
    return Answer(said, "CrowdTwistError", {"example": {"error": error, "message": message}})


_WRONG = "An error has occurred."

PAGE = VendorPage(
    dialect=DIALECT,
    title="CrowdTwist: points expiration",
    version="v2",
    description="For the default currency of the credential's default program.",
    operations={
        ("GET", PATH): Operation(
            id="pointsExpiration",
            asks="GetExpirationSchedule",
            summary="Points expiration",
            description="Details of points expiring for a specific member based on point expiration"
            " rules.",
            parameters=(
                {
                    "name": "user_id",
                    "in": "path",
                    "required": True,
                    "description": "Unique ID of the user, of the type that `id_type` says",
                    "schema": {"type": "string", "minLength": 1},
                    "example": "alice@crowdtwist.com",
                },
                {
                    "name": "id_type",
                    "in": "query",
                    "description": "What `user_id` is; `id` if not given",
                    "schema": {"type": "string", "enum": list(ID_TYPES)},
                    "example": "email",
                },
            ),
            answers={
                200: Answer(
                    "The expirations; or `page_not_found` where nothing is configured to expire",
                    "Answer",
                    {
                        "redemptionPeriod": _found(_PERIODS, []),
                        "inactivity": _found([], [_IDLE]),
                        "both": _found(_PERIODS, [_IDLE]),
                        "notConfigured": {
                            "error": "page_not_found",
                            "message": "Unable to find points expiration configuration.",
                        },
                    },
                ),
                400: _error(
                    "Input error", "missing_data", "Value of field [id_type] must not be empty."
                ),
                403: _error("Wrong key", "invalid_auth", "Invalid access credentials."),
                404: _error("No such user", "page_not_found", "Unable to find user."),
                500: _error("Server error", "internal_error", _WRONG),
                503: _error("Out of reach, or too much to do", "internal_error", _WRONG),
                504: _error("The deadline was passed", "internal_error", _WRONG),
            },
        ),
        ("GET", PATH_WITHOUT_USER): None,
    },
    schemas=_schemas(),
)
