"""CrowdTwist's API: when a user's points expire."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
from starlette.responses import Response

from points.v1 import expiring_pb2, member_pb2
from points_grpc.gateway.credentials import Form
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import Failure, Problem
from points_grpc.gateway.request import HttpCall, Route, one_query
from points_grpc.gateway.strict_json import answer
from points_grpc.gateway.vendors.instants import with_milliseconds

TRAILING_MONTHS = 3
FORWARD_MONTHS = 6

PATH = "/v2/users/{user_id}/points_expiration"
PATH_WITHOUT_USER = PATH.replace("{user_id}", "")

_GET_SCHEDULE = "points.v1.PointsService/GetExpirationSchedule"

_IDENTIFIERS = {
    "email": "email",
    "third_party_id": "external_id",
    "mobile_phone_number": "phone",
    "facebook_user_id": "facebook_user_id",
    "twitter_user_id": "twitter_user_id",
    "username": "username",
}
ID_TYPES = ("id", *_IDENTIFIERS)
_ID = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)

NOBODY = 2**53 - 1
"""The last of all ids, asked for where the user's cannot be one: the service is to look at the
credential before the answer says that there is no such user."""


class RedemptionPeriod(msgspec.Struct):
    """What a fixed expiry ends in one month."""

    points_expired: int
    points_expiring: int
    points_redeemed: int
    expiration_date: str


class Inactivity(msgspec.Struct):
    """What inactivity ends."""

    last_qualified_date: str
    expiration_date: str
    days_until_expiry: int
    points_expiring: int


class PointsExpiration(msgspec.Struct):
    """The answer."""

    redemption_period_points_expiration: list[RedemptionPeriod]
    inactivity_points_expiration: list[Inactivity]


class CrowdTwistError(msgspec.Struct):
    """An error."""

    error: str
    message: str


async def points_expiration(call: HttpCall) -> Response:
    """The expirations of the user in the path."""
    # The key in the query was looked at already: twice or empty it is a wrong credential.
    query = tuple(pair for pair in call.query if pair[0] != "api_key")
    id_type = one_query(query, "id_type").get("id_type", "id")
    request = expiring_pb2.GetExpirationScheduleRequest(
        member=_member(id_type, call.path["user_id"]),
        trailing_months=TRAILING_MONTHS,
        forward_months=FORWARD_MONTHS,
    )
    schedule = await call.ask(_GET_SCHEDULE, request)
    return answer(
        PointsExpiration(
            [_month(month) for month in schedule.months],
            [_inactivity(entry) for entry in schedule.inactivity],
        )
    )


async def no_user(_: HttpCall) -> Response:
    """The same path with nothing where the user's id belongs."""
    raise Problem("user_id", "must not be empty")


def _member(id_type: str, user_id: str) -> member_pb2.MemberRef:
    if kind := _IDENTIFIERS.get(id_type):
        return member_pb2.MemberRef(identifier={"type": kind, "value": user_id})
    if not id_type:
        raise Problem("id_type", "must not be empty")
    if id_type != "id":
        raise Problem("id_type", f"must be one of {', '.join(ID_TYPES)}")
    is_id = _ID.fullmatch(user_id) and int(user_id) < NOBODY
    return member_pb2.MemberRef(member_id=int(user_id) if is_id else NOBODY)


def _month(month: expiring_pb2.ExpirationMonth) -> RedemptionPeriod:
    if month.HasField("expire_time"):
        expiration_date = with_milliseconds(month.expire_time)
    else:
        day = month.last_day
        expiration_date = _start_of(day.year, day.month, day.day)
    return RedemptionPeriod(
        _whole(month.expired.value),
        _whole(month.expiring.value),
        _whole(month.redeemed_from_lots.value),
        expiration_date,
    )


def _inactivity(entry: expiring_pb2.InactivityExpiration) -> Inactivity:
    return Inactivity(
        with_milliseconds(entry.last_qualified_time),
        with_milliseconds(entry.expire_time),
        entry.days_until_expiry,
        _whole(entry.expiring.value),
    )


@lru_cache(maxsize=1024)
def _start_of(year: int, month: int, day: int) -> str:
    return f"{year:04}-{month:02}-{day:02}T00:00:00.000Z"


def _whole(points: str) -> int:
    try:
        return int(points)
    except ValueError:
        raise Problem("", "points have decimals", reason=_HAS_DECIMALS) from None


# Errors

_HAS_DECIMALS = "CURRENCY_HAS_DECIMALS"
_NO_ACCESS = (403, "invalid_auth", "Invalid access credentials.")
_NO_CONFIGURATION = (
    200,
    "page_not_found",
    "Unable to find points expiration configuration.",
)
_KNOWN = {
    "UNAUTHENTICATED": _NO_ACCESS,
    "PERMISSION_DENIED": _NO_ACCESS,
    "MEMBER_NOT_FOUND": (404, "page_not_found", "Unable to find user."),
    "EXPIRATION_NOT_CONFIGURED": _NO_CONFIGURATION,
    "PROGRAM_NOT_FOUND": _NO_CONFIGURATION,
    "CURRENCY_NOT_FOUND": _NO_CONFIGURATION,
    _HAS_DECIMALS: (
        400,
        "invalid_currency",
        "The points of this program have decimals, which points expiration cannot express.",
    ),
}


def error(failure: Failure, _: HttpCall) -> Response:
    """A failure as the page words it."""
    known = _KNOWN.get(failure.reason) or _KNOWN.get(failure.code)
    status, word, message = known or _unlisted(failure)
    return answer(CrowdTwistError(word, message), status)


def _unlisted(failure: Failure) -> tuple[int, str, str]:
    if isinstance(failure, Problem) or failure.reason == "INVALID_FIELD":
        return failure.http_status, *_input_error(failure)
    # 4xx tells these clients that they are at fault, so that they would not try again.
    status = 503 if failure.http_status == 429 else max(500, failure.http_status)
    return status, "internal_error", "An error has occurred."


def _input_error(failure: Failure) -> tuple[str, str]:
    if not failure.field:
        return "invalid", failure.message
    field = "user_id" if failure.field.startswith("member") else failure.field
    if not failure.text.startswith("must"):
        return "invalid", f"Field [{field}] {failure.text}."
    word = "missing_data" if failure.text == "must not be empty" else "invalid"
    return word, f"Value of field [{field}] {failure.text}."


DIALECT = Dialect(
    name="crowdtwist",
    credentials=(Form.CT_API_KEY, Form.API_KEY),
    routes=(
        Route("GET", PATH, points_expiration, asks=_GET_SCHEDULE),
        Route("GET", PATH_WITHOUT_USER, no_user, asks=_GET_SCHEDULE),
    ),
    error=error,
)
