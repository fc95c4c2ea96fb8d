"""Altcraft's dialect before a service that answers as told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc import code_pb2, status_pb2

from points.v1 import expiring_pb2
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.flat_xml import XML_BYTES_MAX
from points_grpc.gateway.vendors.altcraft import routes

PATH = "/api/v1.1/loyalty/account/expiring_points"
XML = {"content_type": "application/xml"}
REQUEST: dict[str, Any] = {
    "token": "demo",
    "loyalty_program_id": 123,
    "points_currency_eid": "bonus_points",
    "matching": "email",
    "email": "user@example.com",
    "date_from": "2023-09-01T00:00:00Z",
    "date_to": "2023-09-30T23:59:59Z",
}
BY_CUSTOM = {"matching": "custom", "email": None, "field_name": "user_id", "field_value": "1"}


@pytest.fixture
def call(caller: Callable[..., Any], upstream: Any) -> Callable[..., Any]:
    """Calls the dialect's one path; the service knows of 150.24 points."""
    upstream.answers["GetExpiringPoints"] = expiring_pb2.GetExpiringPointsResponse(
        expiring_points={"value": "150.24"}
    )
    send = caller(routes.DIALECT)

    def post(body: Any = b"", method: str = "POST", target: str = PATH, **headers: str) -> Any:
        return send(method, target, body, **({"authorization": ""} | headers))

    return post


def changed(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (REQUEST | changes).items() if value is not None}


def as_xml(fields: dict[str, Any]) -> bytes:
    root = ElementTree.Element("xml")
    for name, value in fields.items():
        ElementTree.SubElement(root, name).text = str(value)
    return ElementTree.tostring(root)


def error_of(reply: Any) -> tuple[int, str]:
    """The error of an answer, in whichever form; it must have nothing else in it."""
    if reply.headers["content-type"] == "application/json":
        found = json.loads(reply.body)
    else:
        assert reply.headers["content-type"] in ("application/xml", "text/xml; charset=utf-8")
        root = ElementTree.fromstring(reply.body)
        assert root.tag == "xml"
        found = {child.tag: child.text for child in root}
        found["error"] = int(found["error"])
    assert found.keys() == {"error", "error_text"}
    assert found["error"] == reply.status
    return found["error"], found["error_text"]


NAMED = [
    ({}, {"currency_code": "bonus_points", "member": {"email": "user@example.com"}}),
    (
        {"points_currency_eid": None, "points_currency_iid": 1},
        {"currency_id": "1", "member": {"email": "user@example.com"}},
    ),
    (
        {"matching": "phone", "email": None, "phone": "+1234567890"},
        {"currency_code": "bonus_points", "member": {"phone": "+1234567890"}},
    ),
    (
        {"matching": "profile_id", "email": None, "profile_id": "p"},
        {
            "currency_code": "bonus_points",
            "member": {"identifier": {"type": "profile_id", "value": "p"}},
        },
    ),
    (
        BY_CUSTOM | {"field_value": "007"},
        {
            "currency_code": "bonus_points",
            "member": {"identifier": {"type": "user_id", "value": "007"}},
        },
    ),
    (
        BY_CUSTOM | {"field_value": 9007199254740993},
        {
            "currency_code": "bonus_points",
            "member": {"identifier": {"type": "user_id", "value": "9007199254740993"}},
        },
    ),
    # Clients that send every field of theirs, used or not.
    (
        {"points_currency_iid": 0, "phone": "", "profile_id": "", "field_name": ""},
        {"currency_code": "bonus_points", "member": {"email": "user@example.com"}},
    ),
]


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(("change", "named"), NAMED)
def test_what_the_service_is_asked(
    call: Callable[..., Any],
    upstream: Any,
    form: str,
    change: dict[str, Any],
    named: dict[str, Any],
) -> None:
    """Either form becomes the same request, with the token of the body as its credential."""
    body = changed(**change)
    reply = call(as_xml(body), **XML) if form == "xml" else call(body)
    assert reply.status == 200, reply
    [(method, request, inbound)] = upstream.asked
    assert method == "points.v1.PointsService/GetExpiringPoints"
    assert MessageToDict(request, preserving_proto_field_name=True) == {
        "program_id": "123",
        "start_time": "2023-09-01T00:00:00Z",
        "end_time": "2023-10-01T00:00:00Z",
        **named,
    }
    assert inbound.token == "demo"


@pytest.mark.parametrize(
    ("date_from", "date_to", "start", "end"),
    [
        ("2023-09-01T00:00:00.5Z", "2023-09-01T00:00:00.5Z", "00:00:00.500", "00:00:00.500001"),
        ("2023-09-01T00:00:00.000Z", "2023-09-01T00:00:59.000Z", "00:00:00", "00:01:00"),
        (
            "2023-09-01T00:00:00.0000001Z",
            "2023-09-01T00:00:00.9999999Z",
            "00:00:00.000001",
            "00:00:01",
        ),
        (
            "2023-09-01T00:00:00.9999999Z",
            "2023-09-01T00:00:01.0000001Z",
            "00:00:01",
            "00:00:01.000001",
        ),
        ("2023-09-01T05:30:00+05:30", "2023-08-31T14:00:00-10:00", "00:00:00", "00:00:01"),
    ],
)
def test_the_period(
    call: Callable[..., Any], upstream: Any, date_from: str, date_to: str, start: str, end: str
) -> None:
    """A whole second is in the period to its end, a fraction up to that very instant."""
    assert call(changed(date_from=date_from, date_to=date_to)).status == 200
    [(_, request, _)] = upstream.asked
    asked = MessageToDict(request)
    assert (asked["startTime"], asked["endTime"]) == (f"2023-09-01T{start}Z", f"2023-09-01T{end}Z")


INSTANT = "must be an instant in the form of RFC 3339, such as 2023-09-01T00:00:00Z."

BAD = [
    ({"loyalty_program_id": None}, "loyalty_program_id is required."),
    ({"date_from": None}, "date_from is required."),
    ({"matching": None}, "matching is required."),
    ({"loyalty_program_id": 0}, "loyalty_program_id must be int >= 1."),
    ({"loyalty_program_id": 2**63}, "loyalty_program_id must be int <= 9223372036854775807."),
    ({"points_currency_eid": None}, "points_currency_eid or points_currency_iid is required."),
    (
        {"points_currency_iid": 1},
        "points_currency_iid must not be given beside points_currency_eid.",
    ),
    ({"matching": "name"}, "matching must be one of email, phone, profile_id, custom."),
    ({"email": None}, "email is required."),
    ({"email": ""}, "email is required."),
    ({"phone": "+1"}, "phone does not go with matching email."),
    ({"field_value": "1"}, "field_value does not go with matching email."),
    (BY_CUSTOM | {"field_name": None}, "field_name is required."),
    (BY_CUSTOM | {"field_value": None}, "field_value is required."),
    (BY_CUSTOM | {"email": "a@b.c"}, "email does not go with matching custom."),
    ({"date_from": "2023-09-01"}, f"date_from {INSTANT}"),
    ({"date_to": "2023-09-30T23:59:59"}, f"date_to {INSTANT}"),
    ({"date_to": "2023-09-31T23:59:59Z"}, f"date_to {INSTANT}"),
    ({"date_to": "2023-09-30T23:59:60Z"}, f"date_to {INSTANT}"),
    ({"date_to": "2023-09-30T23:59:59+24:00"}, f"date_to {INSTANT}"),
    ({"date_to": "٢٠٢٣-09-30T23:59:59Z"}, f"date_to {INSTANT}"),
    ({"limit": 5}, "limit is not a field of this call."),
]


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(("change", "text"), BAD)
def test_bad_fields(
    call: Callable[..., Any], upstream: Any, form: str, change: dict[str, Any], text: str
) -> None:
    """A field that is missing, wrong, out of place or unknown is named, in the caller's form."""
    body = changed(**change)
    reply = call(as_xml(body), **XML) if form == "xml" else call(body)
    assert error_of(reply) == (400, text)
    assert (reply.headers["content-type"] == "application/xml") is (form == "xml")
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"loyalty_program_id": "123"}, "loyalty_program_id must be int, got str."),
        ({"loyalty_program_id": 123.0}, "loyalty_program_id must be int, got decimal."),
        ({"points_currency_eid": 5}, "points_currency_eid must be str | null, got int."),
        ({"email": ["a"]}, "email must be str | null, got array."),
        ({"token": 5}, "token must be str, got int."),
        (BY_CUSTOM | {"field_value": True}, "field_value must be int | str | null, got bool."),
        (BY_CUSTOM | {"field_value": 1.5}, "field_value must be int | str | null, got decimal."),
    ],
)
def test_wrong_types(call: Callable[..., Any], change: dict[str, Any], text: str) -> None:
    """JSON knows numbers from strings, and so does the dialect."""
    assert error_of(call(changed(**change))) == (400, text)


@pytest.mark.parametrize(
    ("text", "field"),
    [("12x", "loyalty_program_id"), ("1.0", "loyalty_program_id"), ("0x1", "points_currency_iid")],
)
def test_numbers_in_xml(call: Callable[..., Any], text: str, field: str) -> None:
    """In XML a number is written in digits; white space around it does not count."""
    body = changed(points_currency_eid=None, points_currency_iid=1)
    assert call(as_xml(body | {field: " 7\n"}), **XML).status == 200
    assert error_of(call(as_xml(body | {field: text}), **XML)) == (400, f"{field} must be int.")


@pytest.mark.parametrize("token", [None, ""])
@pytest.mark.parametrize("form", ["json", "xml"])
def test_no_token(call: Callable[..., Any], upstream: Any, form: str, token: str | None) -> None:
    """Without a token in the body the call is unauthorized, whatever stands in the headers."""
    body = changed(token=token, limit=5)
    sent = (as_xml(body), XML) if form == "xml" else (body, {})
    reply = call(sent[0], authorization="Bearer demo", **sent[1])
    assert error_of(reply) == (401, "token is required.")
    assert upstream.asked == []


def test_a_token_that_cannot_be_one(call: Callable[..., Any], upstream: Any) -> None:
    """A token that fits into no header is passed on as none, for the service to refuse."""
    call(changed(token="de mo\n"))
    assert upstream.asked[0][2].token == ""


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b"", b'{"token": "demo", "token": "demo"}', b'{"a": "\xff"}']
)
def test_bad_json(call: Callable[..., Any], body: bytes) -> None:
    """What is no JSON object is a bad request in JSON."""
    number, text = error_of(call(body, content_type="application/json"))
    assert number == 400
    assert text


@pytest.mark.parametrize("media_type", ["application/xml", "text/xml; charset=utf-8"])
@pytest.mark.parametrize(
    "body",
    [
        b"<xml>",
        b"",
        b"{}",
        b"<a/>",
        b"\xff",
        b'<!DOCTYPE a [<!ENTITY b "c">]><xml><token>&b;</token></xml>',
        b"<xml><token>demo</token><token>demo</token></xml>",
        b"<xml><token a='b'>demo</token></xml>",
    ],
)
def test_bad_xml(call: Callable[..., Any], media_type: str, body: bytes) -> None:
    """What is not the page's XML is a bad request in the same kind of XML."""
    reply = call(body, content_type=media_type)
    assert error_of(reply)[0] == 400
    assert reply.headers["content-type"] == media_type


def test_without_a_content_type(call: Callable[..., Any]) -> None:
    """A body without a type is taken for JSON."""
    assert call(changed(), content_type="").json["error"] == 0


def test_what_the_frame_refuses(call: Callable[..., Any]) -> None:
    """Method, media type, size and query are refused in the dialect's form as well."""
    long = b"<xml>" + b" " * XML_BYTES_MAX + b"</xml>"
    assert error_of(call(method="GET"))[0] == 405
    assert error_of(call(changed(), content_type="text/plain"))[0] == 415
    assert error_of(call(changed(email="x" * 2**20)))[0] == 413
    assert error_of(call(long, **XML)) == (413, "The body is larger than 64 KiB.")
    reply = call(changed(), target=f"{PATH}?token=demo")
    assert error_of(reply) == (400, "token is not a parameter of this call.")


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("INTERNAL", 500),
        ("UNKNOWN", 500),
        ("UNAVAILABLE", 503),
        ("CANCELLED", 503),
        ("DEADLINE_EXCEEDED", 504),
        ("RESOURCE_EXHAUSTED", 429),
        ("PERMISSION_DENIED", 403),
    ],
)
@pytest.mark.parametrize("form", ["json", "xml"])
def test_failures_of_the_service(
    call: Callable[..., Any], upstream: Any, form: str, code: str, number: int
) -> None:
    """A failure of the service has its number, and its text is escaped in XML."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message="a < b & \x01c")
    upstream.answers["GetExpiringPoints"] = UpstreamRefusal(status)
    reply = call(as_xml(changed()), **XML) if form == "xml" else call(changed())
    said = "a < b & \ufffdc" if form == "xml" else "a < b & \x01c"
    assert error_of(reply) == (number, said)
    assert ("retry-after" in reply.headers) is (number in (429, 503))


def test_a_mistake_of_ours(call: Callable[..., Any], upstream: Any) -> None:
    """What nobody foresaw tells an id and nothing else."""
    upstream.answers["GetExpiringPoints"] = RuntimeError("secret")
    number, text = error_of(call(as_xml(changed()), **XML))
    assert number == 500
    assert text.startswith("internal error ")
