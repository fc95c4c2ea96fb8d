"""Altcraft's page, replayed against a live server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.gateway.live import Live

PATH = "/api/v1.1/loyalty/account/expiring_points"
XML = "application/xml"

# The page's request, but for its token.
REQUEST = {
    "token": "demo",
    "loyalty_program_id": 123,
    "points_currency_eid": "bonus_points",
    "matching": "email",
    "email": "user@example.com",
    "date_from": "2023-09-01T00:00:00Z",
    "date_to": "2023-09-30T23:59:59Z",
}
REQUEST_XML = b"""<xml>
<token>demo</token>
<loyalty_program_id>123</loyalty_program_id>
<points_currency_eid>bonus_points</points_currency_eid>
<matching>email</matching>
<email>user@example.com</email>
<date_from>2023-09-01T00:00:00Z</date_from>
<date_to>2023-09-30T23:59:59Z</date_to>
</xml>"""
RESPONSE = {
    "data": {"expiring_points": "150.24"},
    "error": 0,
    "error_text": "Successful operation",
}
RESPONSE_XML = b"""<xml>
<data>
<expiring_points>150.24</expiring_points>
</data>
<error>0</error>
<error_text>Successful operation</error_text>
</xml>"""

LOTS = {
    "100.00": "2023-09-01T00:00:00Z",
    "50.24": "2023-09-30T23:59:59Z",
    "1.00": "2023-10-01T00:00:00Z",
}
MEMBER = {"external_id": "user", "email": "user@example.com", "phone": "+1234567890"}
IDENTIFIERS = [
    {"type": "profile_id", "value": "profile_123"},
    {"type": "user_id", "value": "12345"},
]


@pytest.fixture(scope="module")
def september(shared_live: Live) -> Live:
    """The page's member with lots around September 2023, seen in August."""
    shared_live.set_clock("2023-08-15T00:00:00Z")
    shared_live.ask("MemberService/CreateMember", MEMBER | {"identifiers": IDENTIFIERS})
    for amount, expire_time in LOTS.items():
        lot = {"program_id": 123, "member": {"external_id": "user"}, "amount": {"value": amount}}
        shared_live.ask("PointsService/Earn", lot | {"expire_time": expire_time})
    return shared_live


Asked = Callable[..., Any]


@pytest.fixture
def asked(september: Live) -> Asked:
    """The answer to the page's request with these changes; None takes a field away."""

    def ask(**changes: Any) -> Any:
        body = {name: value for name, value in (REQUEST | changes).items() if value is not None}
        return september.call("POST", PATH, body).json

    return ask


def test_the_example_in_json(september: Live) -> None:
    """The page's JSON request gets the page's JSON response."""
    reply = september.call("POST", PATH, REQUEST)
    assert (reply.status, reply.json) == (200, RESPONSE)


def test_the_example_in_xml(september: Live) -> None:
    """The page's XML request gets the page's XML response, to the byte."""
    reply = september.call("POST", PATH, REQUEST_XML, content_type=XML)
    assert (reply.status, reply.body) == (200, RESPONSE_XML)
    assert reply.headers["content-type"] == XML


@pytest.mark.parametrize(
    "named",
    [
        {"points_currency_eid": None, "points_currency_iid": 1},
        {"email": None, "matching": "phone", "phone": "+1234567890"},
        {"email": None, "matching": "profile_id", "profile_id": "profile_123"},
        {"email": None, "matching": "custom", "field_name": "user_id", "field_value": "12345"},
        {"email": None, "matching": "custom", "field_name": "user_id", "field_value": 12345},
    ],
)
def test_every_way_of_naming(asked: Asked, named: dict[str, Any]) -> None:
    """Each of the page's ways to name the currency and the member finds the same points."""
    assert asked(**named) == RESPONSE


@pytest.mark.parametrize(
    ("date_from", "date_to", "points"),
    [
        ("2023-09-01T00:00:00Z", "2023-09-01T00:00:00Z", "100.00"),
        ("2023-09-01T00:00:00.000001Z", "2023-09-30T23:59:58Z", "0.00"),
        ("2023-09-01T00:00:01Z", "2023-09-30T23:59:59Z", "50.24"),
        ("2023-09-01T00:00:01Z", "2023-09-30T23:59:58.999999Z", "0.00"),
        ("2023-09-01T00:00:01Z", "2023-09-30T23:59:59.000001Z", "50.24"),
        ("2023-09-30T23:59:59Z", "2023-10-01T00:00:00Z", "51.24"),
        ("2023-09-01T02:00:00+02:00", "2023-09-30T19:59:59-04:00", "150.24"),
        ("2023-01-01T00:00:00Z", "2023-08-31T23:59:59Z", "0.00"),
    ],
)
def test_both_ends_count(asked: Asked, date_from: str, date_to: str, points: str) -> None:
    """Both ends of the period are in it, a whole second to its end, in any offset."""
    answer = asked(date_from=date_from, date_to=date_to)
    assert answer["data"] == {"expiring_points": points}


REFUSED = [
    ({"token": "abc123def456"}, 401, "The credential is missing or not valid."),
    ({"loyalty_program_id": 124}, 404, "There is no such program."),
    ({"points_currency_eid": "other"}, 404, "The program has no such currency."),
    (
        {"points_currency_eid": None, "points_currency_iid": 2},
        404,
        "The program has no such currency.",
    ),
    ({"email": "nobody@example.com"}, 404, "There is no such member."),
    ({"email": " "}, 400, "email must not be empty as email."),
    (
        {"points_currency_eid": "x" * 65},
        400,
        "points_currency_eid must not be longer than 64 characters.",
    ),
    ({"date_to": "2023-08-31T23:59:58Z"}, 400, "date_to must not be before date_from."),
    (
        {"date_to": "2099-12-31T23:59:59Z"},
        400,
        "date_to must not be more than 10 years after date_from.",
    ),
    (
        {"email": None, "matching": "custom", "field_name": "User-ID", "field_value": "1"},
        400,
        "field_name must have the form [a-z][a-z0-9_]{0,39} and not be member_id.",
    ),
    (
        {"email": None, "matching": "custom", "field_name": "user_id", "field_value": "1" * 257},
        400,
        "field_value must not be longer than 256 characters.",
    ),
    (
        {"email": None, "matching": "profile_id", "profile_id": "1" * 257},
        400,
        "profile_id must not be longer than 256 characters.",
    ),
]


@pytest.mark.parametrize(("change", "error", "text"), REFUSED)
def test_refusals_speak_of_the_pages_fields(
    september: Live, change: dict[str, Any], error: int, text: str
) -> None:
    """What the service refuses is told by number and text, with the fields as the page has them."""
    body = {name: value for name, value in (REQUEST | change).items() if value is not None}
    reply = september.call("POST", PATH, body)
    assert reply.json == {"error": error, "error_text": text}
    assert reply.status == error


def test_a_member_without_points(september: Live, asked: Asked) -> None:
    """Who has no points yet has none that expire."""
    september.ask("MemberService/CreateMember", {"email": "new@example.com"})
    assert asked(email="new@example.com")["data"] == {"expiring_points": "0.00"}


def test_the_service_is_down(live: Live) -> None:
    """Without the service the answer is a server error in the form of the question."""
    live.stop_service()
    reply = live.call("POST", PATH, REQUEST_XML, content_type=XML)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.body == (
        b"<xml>\n<error>503</error>\n<error_text>The service cannot be reached; try again."
        b"</error_text>\n</xml>"
    )
