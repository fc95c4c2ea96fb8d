"""What the page only describes, asked of a whole server: capillary's updateExpiry."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.gateway.capillary_live import (
    CHANGED,
    CUSTOMER,
    FAILED,
    ITEM,
    NOW,
    POINTS,
    changed,
    earn,
    failed,
    migrate,
    post,
    refused,
    shown,
)
from tests.support.gateway.live import Live


@pytest.fixture
def migrated(live: Live) -> Live:
    """The page's customer with the page's lot, which has lapsed years before."""
    return migrate(live)


def test_every_way_to_name_a_customer(migrated: Live) -> None:
    """The same customer is found by mobile, id (theirs and ours), externalId and email."""
    member = {"member_id": CUSTOMER}
    names = {"phone": "+1 234 567", "external_id": "A-1", "email": "A@example.com"}
    for kind, value in names.items():
        identifier = {"type": kind, "value": value}
        asked = {"member": member, "identifier": identifier}
        migrated.ask("MemberService/LinkIdentifier", asked)
    known = migrated.ask("MemberService/GetMember", {"member": member})["member"]
    ways = {
        "mobile": "(1) 234567",
        "externalId": "A-1",
        "email": "a@EXAMPLE.com",
        "id": known["member_id"],
    }
    items = [
        ITEM
        | {
            "identifierName": name,
            "identifierValue": value,
            "expiryDate": {"expiryType": "FIXED_MONTHS", "expiryValue": str(months)},
        }
        for months, (name, value) in enumerate(ways.items(), 1)
    ]
    found = shown(post(migrated, *items))["currencyExpiryUpdateResponse"]
    assert [one["customerId"] for one in found] == [CUSTOMER] * 4
    assert [one["pointsExpiryUpdateLogs"]["newExpiryDate"] for one in found] == [
        f"2025-{month:02}-07 23:59:59" for month in (8, 9, 10, 11)
    ]


def test_ids_of_our_own(live: Live) -> None:
    """A member and a lot without a vendor's id are shown, and named, by ours."""
    lot = live.ask(
        "PointsService/Earn",
        {"program_id": 469, "member": {"external_id": "new"}, "amount": {"value": "5"}},
    )["lot"]
    item = ITEM | {
        "identifierValue": lot["member"]["member_id"],
        "pointsAwardedRefId": int(lot["lot_id"]),
    }
    [found] = shown(post(live, item))["currencyExpiryUpdateResponse"]
    assert found["customerId"] == int(lot["member"]["member_id"])
    assert found["pointsExpiryUpdateLogs"]["paId"] == int(lot["lot_id"])


def test_immediately(migrated: Live) -> None:
    """IMMEDIATE needs no value, and expires what remains at the time of the event."""
    earn(migrated, POINTS + 1, kind="AWARD_KIND_POINT_AWARDED_LINEITEM", never=True)
    item = {
        **{name: ITEM[name] for name in ("identifierName", "identifierValue", "programId")},
        "pointsAwardedRefId": POINTS + 1,
        "pointsAwardedRefType": "POINT_AWARDED_LINEITEM",
        "currencyName": "POINTS",
        "pointCategoryType": "REGULAR",
        "expiryDate": {"expiryType": "IMMEDIATE"},
    }
    log = {
        "paType": "POINT_AWARDED_LINEITEM",
        "paId": POINTS + 1,
        "expiryUpdateReasonType": None,
        "expiryUpdateReasonNote": None,
        "oldExpiryDate": None,
        "newExpiryDate": "2025-07-07 06:39:11",
        "standardMeta": None,
        "customMeta": None,
    }
    assert shown(post(migrated, item)) == {"currencyExpiryUpdateResponse": [changed(**log)]}
    member = {"program_id": 469, "member": {"member_id": CUSTOMER}}
    account = migrated.ask("PointsService/GetAccount", member)["account"]
    assert account["available"] == {"value": "0"}


@pytest.mark.parametrize(
    "check",
    [
        {"pointsAwardedRefType": "POINT_AWARDED_BILL_PROMOTION"},
        {"pointCategoryType": "PROMISED"},
    ],
)
def test_checks(migrated: Live, check: dict[str, Any]) -> None:
    """Points of another type or category than was said are not found."""
    kind = check.get("pointsAwardedRefType", "POINT_AWARDED")
    message = f"No points awarded found for reference type {kind} and ID {POINTS}"
    failure = failed(3034, message, pointsAwardedRefType=kind)
    assert shown(post(migrated, ITEM | check))["failures"] == [failure]


OTHER_REFUSALS: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown program": (
        {"programId": 470},
        8934,
        "Program ID is required for points expiry update",
    ),
    "a program beyond every id": (
        {"programId": 2**63 - 1},
        8934,
        "Program ID is required for points expiry update",
    ),
    "a lapsed lot without EXTEND_EXPIRY": (
        {"expiryUpdateReasonType": None},
        8936,
        f"{FAILED}: The lot is closed, used up or lapsed",
    ),
    "another currency": (
        {"currencyName": "MILES"},
        8936,
        f"{FAILED}: The program has no such currency",
    ),
    "too many days": (
        {"expiryDate": {"expiryType": "FIXED_DAYS", "expiryValue": "36501"}},
        8936,
        f"{FAILED}: expiryDate.expiryValue must be from 1 to 36500",
    ),
    "no days": (
        {"expiryDate": {"expiryType": "FIXED_DAYS", "expiryValue": "0"}},
        8936,
        f"{FAILED}: expiryDate.expiryValue must be from 1 to 36500",
    ),
    "too many months": (
        {"expiryDate": {"expiryType": "FIXED_MONTHS", "expiryValue": "1201"}},
        8936,
        f"{FAILED}: expiryDate.expiryValue must be from 1 to 1200",
    ),
    "a note too long": (
        {"expiryUpdateReasonNote": "x" * 1025},
        8936,
        f"{FAILED}: expiryUpdateReasonNote must not be longer than 1024 characters",
    ),
    "a meta too long": (
        {"standardMeta": {"who_raised": "x" * 257}},
        8936,
        f"{FAILED}: standardMeta.who_raised must not be longer than 256 characters",
    ),
    "a meta too large": (
        {"customMeta": {"x": "y" * 8192}},
        8936,
        f"{FAILED}: customMeta must not exceed 8192 bytes as JSON",
    ),
    "a mobile without digits": (
        {"identifierName": "mobile", "identifierValue": "none"},
        8015,
        "Customer not found for the given identifiers",
    ),
    "an id beyond every id": (
        {"identifierValue": str(2**63 - 1)},
        8015,
        "Customer not found for the given identifiers",
    ),
    "an award beyond every id": (
        {"pointsAwardedRefId": 2**63 - 1},
        3034,
        f"No points awarded found for reference type POINT_AWARDED and ID {2**63 - 1}",
    ),
}


def test_refusals_side_by_side(migrated: Live) -> None:
    """Every other refusal of an item is 8936 with its reason, beside what is done."""
    asked = [ITEM | changes for changes, _, _ in OTHER_REFUSALS.values()]
    answer = shown(post(migrated, *asked, ITEM))
    assert answer["currencyExpiryUpdateResponse"] == [CHANGED]
    found = [(one["errorCode"], one["errorMessage"]) for one in answer["failures"]]
    expected = [(number, message) for _, number, message in OTHER_REFUSALS.values()]
    assert dict(zip(OTHER_REFUSALS, found, strict=True)) == dict(
        zip(OTHER_REFUSALS, expected, strict=True)
    )
    ids = [item["pointsAwardedRefId"] for item in asked]
    assert [one["pointsAwardedRefId"] for one in answer["failures"]] == ids


def test_the_same_lot_twice(migrated: Live) -> None:
    """Items are done in order, each on what the ones before it left."""
    later = ITEM | {"expiryDate": {"expiryType": "FIXED_DAYS", "expiryValue": 60}}
    answer = shown(post(migrated, ITEM, later, ITEM))
    logs = [one["pointsExpiryUpdateLogs"] for one in answer["currencyExpiryUpdateResponse"]]
    assert [log["oldExpiryDate"] for log in logs] == ["2022-12-31 23:59:59", "2025-08-09 23:59:59"]
    message = f"{FAILED}: An EXTEND_EXPIRY must be later than the present expiry"
    assert answer["failures"] == [failed(8936, message)]


def test_custom_meta_comes_back(migrated: Live) -> None:
    """customMeta of any JSON comes back as it was sent, up to eight levels deep."""
    deep: Any = "bottom"
    for _ in range(7):
        deep = {"x": deep}
    meta = {
        "text": "ä😀",
        "number": 1.5,
        "whole": -7,
        "yes": True,
        "none": None,
        "list": [1, "two", {"three": []}],
        "": {},
        "deep": deep,
    }
    answer = shown(post(migrated, ITEM | {"customMeta": meta}))
    assert answer == {"currencyExpiryUpdateResponse": [changed(customMeta=meta)]}


def test_custom_meta_too_deep(migrated: Live) -> None:
    """Beyond the service's eight levels it refuses the item; what cannot travel is 8931."""

    def nested(levels: int) -> Any:
        return {"x": nested(levels - 1)} if levels else {}

    def refusal(levels: int) -> Any:
        return post(migrated, ITEM | {"customMeta": nested(levels - 1)})

    message = f"{FAILED}: customMeta must not be nested more than 8 deep"
    for levels in (9, 16):
        assert shown(refusal(levels))["failures"] == [failed(8936, message)]
    message = (
        "Points expiry update request is invalid or empty:"
        " expiryDateUpdateRequest[0].customMeta is nested too deep"
    )
    reply = refusal(17)
    assert (reply.status, reply.json) == (400, refused(8931, message))


def test_times_are_in_the_programs_zone(live: Live) -> None:
    """A date is a day of the program's, and times are shown in its zone."""
    program = {"program_id": 7, "name": "Fern", "time_zone": "Asia/Kolkata"}
    live.ask("ProgramService/CreateProgram", program)
    currency = {"program_id": 7, "currency_code": "RUPEES", "default_policy": {"never": {}}}
    live.ask("ProgramService/CreateCurrency", currency)
    live.ask("MemberService/CreateMember", {"vendor_id": CUSTOMER})
    earn(live, POINTS, program_id=7, expire_time="2022-12-31T18:29:59Z")
    live.set_clock(NOW)
    expected = changed(eventDate="2025-07-07 12:09:11")
    expected |= {"programId": 7, "currencyName": "RUPEES"}
    assert shown(post(live, ITEM | {"programId": 7})) == {
        "currencyExpiryUpdateResponse": [expected]
    }
    live.set_clock("2025-08-09T18:29:59Z")
    message = "Invalid expiry date: Expiry date must be in the future"
    assert shown(post(live, ITEM | {"programId": 7}))["failures"] == [failed(3037, message)]


def test_an_idempotency_key(migrated: Live) -> None:
    """The same request under the same Idempotency-Key gets its first answer; another is refused."""
    headers = {"authorization": "Bearer demo", "idempotency_key": "k-1"}
    first = post(migrated, ITEM, **headers)
    assert first.status == 200
    assert post(migrated, ITEM, **headers).body == first.body
    reply = post(migrated, ITEM | {"expiryUpdateReasonNote": "another"}, **headers)
    message = f"{FAILED}: The request id was used before with other content"
    assert (reply.status, reply.json) == (422, refused(8936, message))
    assert "failures" in shown(post(migrated, ITEM))


def test_a_request_id_is_no_key(migrated: Live) -> None:
    """X-Request-Id only follows a call: two requests with one are two requests."""
    headers = {"authorization": "Bearer demo", "x_request_id": "trace"}
    assert "failures" not in shown(post(migrated, ITEM, **headers))
    assert "failures" in shown(post(migrated, ITEM, **headers))


BASIC = b64encode(b"till:demo").decode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer demo"}, 200),
        ({"authorization": "Bearer demo", "x_cap_api_auth": "wrong"}, 200),
        ({"authorization": f"Basic {BASIC}"}, 200),
        ({"x_cap_api_auth": "demo"}, 200),
        ({"x_request_id": "nothing"}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer wrong", "x_cap_api_auth": "demo"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Basic demo"}, 401),
        ({"x_cap_api_auth": "wrong"}, 401),
    ],
)
def test_credentials(shared_live: Live, headers: dict[str, str], status: int) -> None:
    """Authorization goes before X-CAP-API-AUTH; without a valid token the answer is a 401."""
    reply = post(shared_live, ITEM, **headers)
    assert reply.status == status
    if status == 401:
        assert reply.json == refused(401, "The credential is missing or not valid.")
        assert reply.headers["www-authenticate"] == "Bearer"


def test_the_service_is_away(open_live: Callable[..., Live]) -> None:
    """Without the service the answer is a 503 in the page's shape, and when to try again."""
    live = open_live()
    live.stop_service()
    reply = post(live, ITEM)
    assert reply.status == 503
    assert reply.json == refused(503, "The service cannot be reached; try again.")
    assert int(reply.headers["retry-after"]) > 0
