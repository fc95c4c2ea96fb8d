"""Altcraft's loyalty API: the points that expire in a period, asked and answered in JSON or XML.

POST /api/v1.1/loyalty/account/expiring_points. The token stands in the body.
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from xml.sax.saxutils import escape

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from points.v1 import expiring_pb2, member_pb2
from points_grpc.gateway.credentials import Form, find_token
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import Failure, Problem, UpstreamRefusal
from points_grpc.gateway.flat_xml import XML_BYTES_MAX, read_flat_xml
from points_grpc.gateway.request import BODY_BYTES_MAX, JSON, HttpCall, Route, one_query
from points_grpc.gateway.strict_json import answer, read_json, shaped
from points_grpc.rfc3339 import NotAnInstant, read_parts

XML_TYPES = ("application/xml", "text/xml")

_GET_EXPIRING = "points.v1.PointsService/GetExpiringPoints"

_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What each way of matching needs, and must not be given where another way was chosen.
NEEDS = {
    "email": ("email",),
    "phone": ("phone",),
    "profile_id": ("profile_id",),
    "custom": ("field_name", "field_value"),
}
_FIELDS = {
    "program_id": "loyalty_program_id",
    "currency_code": "points_currency_eid",
    "currency_id": "points_currency_iid",
    "start_time": "date_from",
    "end_time": "date_to",
    "member": "matching",
    "member.email": "email",
    "member.phone": "phone",
    "member.identifier.type": "field_name",
}

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
IdOrNone = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None


class ExpiringPoints(msgspec.Struct, forbid_unknown_fields=True):
    """The request. An optional field that is null, "" or 0 counts as not given."""

    token: str
    loyalty_program_id: Id
    date_from: str
    date_to: str
    matching: str
    points_currency_eid: str | None = None
    points_currency_iid: IdOrNone = None
    email: str | None = None
    phone: str | None = None
    profile_id: str | None = None
    field_name: str | None = None
    field_value: str | int | None = None


async def expiring_points(call: HttpCall) -> Response:
    """Answer how many points expire in the period."""
    asked, request = read_expiring(call)
    try:
        found = await call.ask(_GET_EXPIRING, request)
    except UpstreamRefusal as refusal:
        if refusal.field == "member.identifier.value":
            refusal.field = NEEDS[asked.matching][-1]
        raise
    return show_expiring(found, call)


def read_expiring(call: HttpCall) -> tuple[ExpiringPoints, expiring_pb2.GetExpiringPointsRequest]:
    """Return the body as read and the request for the service. Raises Problem."""
    given = _read_xml(call.body) if call.media_type in XML_TYPES else read_json(call.body)
    if isinstance(given, dict) and given.get("token") in (None, ""):
        raise Problem(
            "token",
            "is required",
            http_status=401,
            code="UNAUTHENTICATED",
            reason="TOKEN_INVALID",
        )
    if isinstance(given, dict) and isinstance(token := given.get("token"), str):
        call.use_token(find_token((Form.BODY,), {}, in_body=token))
    one_query(call.query)
    asked = shaped(given, ExpiringPoints)
    request = expiring_pb2.GetExpiringPointsRequest(
        program_id=asked.loyalty_program_id, member=_member(asked)
    )
    _put_currency(request, asked)
    request.start_time.CopyFrom(_first_instant(asked.date_from))
    request.end_time.CopyFrom(_instant_after(asked.date_to))
    return asked, request


def _read_xml(body: bytes) -> dict[str, Any]:
    given: dict[str, Any] = dict(read_flat_xml(body, root="xml"))
    for field in ("loyalty_program_id", "points_currency_iid"):
        if text := given.get(field, "").strip():
            if not _WHOLE.fullmatch(text):
                raise Problem(field, "must be int")
            given[field] = int(text)
        else:
            given.pop(field, None)
    return given


def _put_currency(request: expiring_pb2.GetExpiringPointsRequest, asked: ExpiringPoints) -> None:
    if asked.points_currency_eid and asked.points_currency_iid:
        raise Problem("points_currency_iid", "must not be given beside points_currency_eid")
    if asked.points_currency_eid:
        request.currency_code = asked.points_currency_eid
    elif asked.points_currency_iid:
        request.currency_id = asked.points_currency_iid
    else:
        raise Problem("points_currency_eid", "or points_currency_iid is required")


def _member(asked: ExpiringPoints) -> member_pb2.MemberRef:
    way = asked.matching
    if way not in NEEDS:
        raise Problem("matching", f"must be one of {', '.join(NEEDS)}")
    for other, fields in NEEDS.items():
        for field in fields:
            given = getattr(asked, field) not in (None, "")
            if given is not (other == way):
                text = f"does not go with matching {way}" if given else "is required"
                raise Problem(field, text)
    if way == "email":
        return member_pb2.MemberRef(email=asked.email)
    if way == "phone":
        return member_pb2.MemberRef(phone=asked.phone)
    kind, value = asked.field_name, asked.field_value
    if way == "profile_id":
        kind, value = way, asked.profile_id
    return member_pb2.MemberRef(identifier={"type": kind, "value": str(value)})


def _first_instant(text: str) -> Timestamp:
    """From when on; a fraction of a microsecond, which no expiry has, is rounded up."""
    seconds, fraction = _read_instant(text, "date_from")
    micros, finer = _micros(fraction)
    return _timestamp(seconds, micros + finer)


def _instant_after(text: str) -> Timestamp:
    """Return the end of a period that includes `text`: a whole second is included."""
    seconds, fraction = _read_instant(text, "date_to")
    micros, finer = _micros(fraction)
    return _timestamp(seconds, micros + 1 if micros or finer else 1_000_000)


def _read_instant(text: str, field: str) -> tuple[int, str]:
    try:
        return read_parts(text)
    except NotAnInstant:
        wanted = "must be an instant in the form of RFC 3339, such as 2023-09-01T00:00:00Z"
        raise Problem(field, wanted) from None


def _micros(fraction: str) -> tuple[int, bool]:
    """Whole microseconds, and whether there is more."""
    return int(fraction[:6].ljust(6, "0")), bool(fraction[6:].strip("0"))


def _timestamp(seconds: int, micros: int) -> Timestamp:
    carried, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds + carried, nanos=rest * 1000)


def show_expiring(found: expiring_pb2.GetExpiringPointsResponse, call: HttpCall) -> Response:
    """The answer in the form of the question."""
    points = found.expiring_points.value
    if call.media_type in XML_TYPES:
        data = f"<data>\n<expiring_points>{points}</expiring_points>\n</data>\n"
        return _xml(data, 0, "Successful operation", 200, call.media_type)
    data_in_json = {"expiring_points": points}
    return answer({"data": data_in_json, "error": 0, "error_text": "Successful operation"})


def error(failure: Failure, call: HttpCall) -> Response:
    """`error` and `error_text`, in XML where the call was; the HTTP status is `error` again."""
    number = 503 if failure.code == "CANCELLED" else failure.http_status
    said = failure.message
    if failure.reason == "INVALID_FIELD" and failure.field and failure.text:
        field = _FIELDS.get(failure.field, failure.field)
        said = f"{field} {failure.text}.".replace("start_time", "date_from")
    if call.media_type in XML_TYPES:
        return _xml("", number, said, number, call.media_type)
    return answer({"error": number, "error_text": said}, number)


def _xml(data: str, number: int, said: str, status: int, media_type: str) -> Response:
    said = escape(_NOT_XML.sub("\ufffd", said))
    body = f"<xml>\n{data}<error>{number}</error>\n<error_text>{said}</error_text>\n</xml>"
    return Response(body.encode(), status, media_type=media_type)


DIALECT = Dialect(
    name="altcraft",
    credentials=(Form.BODY,),
    routes=(
        Route(
            "POST",
            "/api/v1.1/loyalty/account/expiring_points",
            expiring_points,
            accepts={JSON: BODY_BYTES_MAX} | dict.fromkeys(XML_TYPES, XML_BYTES_MAX),
            asks=_GET_EXPIRING,
        ),
    ),
    error=error,
)
