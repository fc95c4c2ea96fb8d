"""Capillary's dialect without a service: what it asks for, and what it refuses itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.gateway.capillary_page import (
    ITEMS,
    KINDS,
    MISSING,
    PATH,
    SAYING,
    Post,
    asked,
    expiring,
    fault,
    item,
    poster,
    refusals,
)

from points.v1.update_expiry_pb2 import UpdateExpiryRequest
from points_grpc import errors
from points_grpc.gateway.vendors.capillary.routes import DIALECT


@pytest.fixture
def post(upstream: Any, caller: Callable[..., Any]) -> Post:
    """Sends items; unless told otherwise the service has no such lot."""
    return poster(upstream, caller)


def test_what_is_asked_for(post: Post, upstream: Any) -> None:
    """Everything that an item can say is said to the service, which may refuse it for itself."""
    everything = item(
        currencyName="POINTS",
        pointCategoryType="PROMISED",
        expiryUpdateReasonType="EXTEND_EXPIRY",
        expiryUpdateReasonNote="a note",
        standardMeta={"who_raised": "A", "who_approved": "B", "reason_for_trigger": "C"},
        customMeta={"a": [1, None, {"b": False}], "c": 0.5},
    )
    answered = post(everything, idempotency_key="k")
    assert (answered.status, answered.json["failures"][0]["errorCode"]) == (200, 3034)
    update = {
        "program_id": 469,
        "member": {"external_id": "A-1"},
        "lot_id": 117521910,
        "kind": "AWARD_KIND_POINT_AWARDED",
        "currency_code": "POINTS",
        "category": "LOT_CATEGORY_PROMISED",
        "reason_type": "REASON_TYPE_EXTEND_EXPIRY",
        "reason_note": "a note",
        "standard_meta": {"who_raised": "A", "who_approved": "B", "reason_for_trigger": "C"},
        "custom_meta": {"a": [1, None, {"b": False}], "c": 0.5},
        "days": 30,
        "reinstate": True,
    }
    expected = UpdateExpiryRequest(updates=[update], request_id="k", return_partial_success=True)
    assert asked(upstream) == expected


def test_what_is_not_said_is_not_asked_for(post: Post, upstream: Any) -> None:
    """Fields that are missing or null are left to the service."""
    optional = (
        *("currencyName", "pointCategoryType", "expiryUpdateReasonType"),
        *("expiryUpdateReasonNote", "standardMeta", "customMeta"),
    )
    upstream.answers["UpdateExpiry"] = refusals(*[errors.LotNotFound()] * 2)
    assert post(item(), item(**dict.fromkeys(optional))).status == 200
    update = {
        "program_id": 469,
        "member": {"external_id": "A-1"},
        "lot_id": 117521910,
        "kind": "AWARD_KIND_POINT_AWARDED",
        "days": 30,
    }
    assert asked(upstream) == UpdateExpiryRequest(
        updates=[update, update], return_partial_success=True
    )


@pytest.mark.parametrize(
    ("changes", "update"),
    [
        ({"identifierName": "mobile"}, {"member": {"phone": "A-1"}}),
        ({"identifierName": "email"}, {"member": {"email": "A-1"}}),
        ({"identifierName": "id", "identifierValue": "1"}, {"member": {"member_id": 1}}),
        (
            {"identifierName": "id", "identifierValue": str(2**63 - 1)},
            {"member": {"member_id": 2**63 - 1}},
        ),
        ({"programId": 1}, {"program_id": 1}),
        ({"programId": 2**63 - 1}, {"program_id": 2**63 - 1}),
        ({"pointsAwardedRefId": 1}, {"lot_id": 1}),
        ({"pointsAwardedRefId": 2**63 - 1}, {"lot_id": 2**63 - 1}),
        *(({"pointsAwardedRefType": kind}, {"kind": f"AWARD_KIND_{kind}"}) for kind in KINDS),
        ({"pointCategoryType": "REGULAR"}, {"category": "LOT_CATEGORY_REGULAR"}),
        (
            {"expiryUpdateReasonType": "EARLY_EXPIRY"},
            {"reason_type": "REASON_TYPE_EARLY_EXPIRY", "reinstate": False},
        ),
        ({"currencyName": ""}, {"currency_code": ""}),
        ({"customMeta": {}}, {"custom_meta": {}}),
        (
            expiring("FIXED_DATE", "2024-02-29"),
            {"expire_date": {"year": 2024, "month": 2, "day": 29}},
        ),
        (
            expiring("FIXED_DATE", "9999-12-31"),
            {"expire_date": {"year": 9999, "month": 12, "day": 31}},
        ),
        (expiring("FIXED_DAYS", "007"), {"days": 7}),
        (expiring("FIXED_DAYS", 7), {"days": 7}),
        (expiring("FIXED_DAYS", 0), {"days": 0}),
        (expiring("FIXED_DAYS", str(2**31 - 1)), {"days": 2**31 - 1}),
        (expiring("FIXED_MONTHS", "1"), {"months": 1}),
        (expiring("FIXED_MONTHS", 1), {"months": 1}),
        (expiring("IMMEDIATE"), {"immediate": True}),
        (expiring("IMMEDIATE", None), {"immediate": True}),
        (expiring("IMMEDIATE", ""), {"immediate": True}),
        (expiring("IMMEDIATE", "2025-08-09"), {"immediate": True}),
    ],
)
def test_values(post: Post, upstream: Any, changes: dict[str, Any], update: dict[str, Any]) -> None:
    """Each value of the page's has its place in the contract; its rules are the service's."""
    assert post(item(**changes)).status == 200
    [made] = asked(upstream).updates
    expected = type(made)(**update)
    for name in update:
        assert getattr(made, name) == getattr(expected, name)
    assert made.WhichOneof("expiration") == (expected.WhichOneof("expiration") or "days")


REFUSED: list[tuple[int, dict[str, Any], str]] = [
    *(
        (8932, {"identifierName": name}, "")
        for name in (MISSING, None, "", "ID", "cardNumber", 5, ["id"])
    ),
    *((8933, {"identifierValue": value}, "") for value in (MISSING, None, "", 172440986, {})),
    *(
        (8933, {"identifierName": "id", "identifierValue": value}, "")
        for value in ("0", "-1", "1.0", " 1", "1x", "١", str(2**63), "9" * 4000)
    ),
    *(
        (number, {field: value}, "")
        for number, field in ((8934, "programId"), (8937, "pointsAwardedRefId"))
        for value in (MISSING, None, 0, -1, 2**63, 469.0, "469", True, [])
    ),
    *((8938, {"pointsAwardedRefType": value}, "") for value in (MISSING, None, 1, [])),
    *((8935, {"standardMeta": value}, "standardMeta must be an object") for value in ("x", [], 0)),
    (8935, {"standardMeta": {"who": "A"}}, "standardMeta.who is not a field of this call"),
    *(
        (8935, {"standardMeta": {"who_raised": value}}, "standardMeta.who_raised must be a string")
        for value in (None, 5, ["A"])
    ),
    *((8931, {"customMeta": value}, "customMeta must be an object") for value in ("x", [], 0)),
    *(
        (
            8931,
            {"customMeta": {"x": [value]}},
            "customMeta has a number that a double cannot be",
        )
        for value in (2**53 + 1, 10**39 + 1)
    ),
    (8931, {"currencyName": 5}, "currencyName must be a string"),
    (8931, {"expiryUpdateReasonNote": ["x"]}, "expiryUpdateReasonNote must be a string"),
    (8931, {"extra": None}, "extra is not a field of this call"),
    (8931, {"expiryDate": MISSING}, "expiryDate is required"),
    (8931, {"expiryDate": None}, "expiryDate is required"),
    (8931, {"expiryDate": "2025-08-09"}, "expiryDate must be an object"),
    (8931, {"expiryDate": {}}, "expiryDate.expiryType is required"),
    (8931, expiring(None, "30"), "expiryDate.expiryType is required"),
    (
        8931,
        {"expiryDate": {"expiryType": "IMMEDIATE", "x": 1}},
        "expiryDate.x is not a field of this call",
    ),
    *(
        (8931, expiring(way, value), "expiryDate.expiryValue is required")
        for way in ("FIXED_DATE", "FIXED_DAYS", "FIXED_MONTHS")
        for value in (MISSING, None)
    ),
    *(
        (
            8931,
            expiring("FIXED_DATE", value),
            "expiryDate.expiryValue must be a date in YYYY-MM-DD format",
        )
        for value in (
            *("", "20250809", "2025-8-9", "2025-02-29", "2025-13-01", "0000-01-01", "2025-W01-1"),
            *("2025-08-09T00:00:00", "10000-01-01", "٢٠٢٥-08-09", 20250809, {}),
        )
    ),
    *(
        (8931, expiring(way, value), "expiryDate.expiryValue must be a number in digits")
        for way in ("FIXED_DAYS", "FIXED_MONTHS")
        for value in ("", "-1", "+1", "1.0", " 1", "٣", str(2**31), 2**31, -1, 1.0, True, [1])
    ),
    *(
        (8931, expiring("IMMEDIATE", value), "expiryDate.expiryValue must be a string")
        for value in (True, 1.5, {}, [])
    ),
]


@pytest.mark.parametrize(("number", "changes", "detail"), REFUSED)
def test_refused(
    post: Post, upstream: Any, number: int, changes: dict[str, Any], detail: str
) -> None:
    """What is missing, malformed or unknown is refused with the page's number, all or nothing."""
    message = SAYING[number] + (f": {ITEMS}[1].{detail}" if detail else "")
    assert fault(post(item(), item(**changes))) == (400, number, message)
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        *(({"pointsAwardedRefType": name}, KINDS) for name in ("", "point_awarded", "POINTS")),
        *(
            ({"expiryUpdateReasonType": name}, ("EARLY_EXPIRY", "EXTEND_EXPIRY"))
            for name in ("", "UNSPECIFIED", 1, [])
        ),
        *(
            ({"pointCategoryType": name}, ("REGULAR", "PROMISED"))
            for name in ("", "UNSPECIFIED", 1, {})
        ),
        *(
            (expiring(name, "30"), ("FIXED_DATE", "FIXED_DAYS", "FIXED_MONTHS", "IMMEDIATE"))
            for name in ("", "fixed_days", "NEVER", 1, [])
        ),
    ],
)
def test_values_that_there_are_not(
    post: Post, upstream: Any, changes: dict[str, Any], values: tuple[str, ...]
) -> None:
    """A value that is none of a field's is 8941, which lists them as the page does."""
    message = f"Valid values are: [{', '.join(values)}]"
    assert fault(post(item(**changes))) == (400, 8941, message)
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "the body is not valid JSON"),
        (b"{", "the body is not valid JSON"),
        (b'{"a": "\xff"}', "the body is not UTF-8"),
        (b'{"a": "\\ud800"}', "the body is not valid JSON"),
        (b'{"a": NaN}', "the body must not contain NaN"),
        (b'{"a": 1, "a": 1}', "a must not be given more than once"),
        (b"[" * 65 + b"]" * 65, "the body is nested more than 64 levels deep"),
        (b"[]", "the body must be an object"),
        (b"null", "the body must be an object"),
        (b"{}", f"{ITEMS} is required"),
        (b'{"expiryDateUpdateRequest": null}', f"{ITEMS} is required"),
        (b'{"expiryDateUpdateRequest": {}}', f"{ITEMS} must be an array"),
        (b'{"expiryDateUpdateRequest": []}', f"{ITEMS} must have 1 to 1000 items"),
        (b'{"expiryDateUpdateRequest": [null]}', f"{ITEMS}[0] must be an object"),
        (b'{"expiryDateUpdateRequest": [], "x": 1}', "x is not a field of this call"),
    ],
)
def test_bodies(caller: Callable[..., Any], upstream: Any, body: bytes, detail: str) -> None:
    """A body that is no request of the page's is 8931, which says why."""
    answered = caller(DIALECT)("POST", PATH, body, content_type="application/json")
    assert fault(answered) == (400, 8931, f"{SAYING[8931]}: {detail}")
    assert upstream.asked == []


def test_a_thousand_items(post: Post, upstream: Any) -> None:
    """A call has up to 1000 items, and asks the service once."""
    upstream.answers["UpdateExpiry"] = refusals(*[errors.LotNotFound()] * 1000)
    answered = post(*[item()] * 1000)
    assert len(answered.json["failures"]) == 1000
    assert [method.rpartition("/")[2] for method, _, _ in upstream.asked] == ["UpdateExpiry"]
    message = f"{SAYING[8931]}: {ITEMS} must have 1 to 1000 items"
    assert fault(post(*[item()] * 1001)) == (400, 8931, message)


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (("GET", PATH), 405),
        (("PUT", PATH), 405),
        (("POST", PATH, b"x" * (2**20 + 1)), 413),
    ],
)
def test_what_the_gateway_refuses(
    caller: Callable[..., Any], call: tuple[Any, ...], status: int
) -> None:
    """What is refused before the body is read has the page's shape, too."""
    answered = caller(DIALECT)(*call)
    assert fault(answered)[:2] == (status, status)


def test_other_media_types(caller: Callable[..., Any]) -> None:
    """A body that is not declared as JSON in UTF-8 is a 415."""
    for kind in ("text/plain", "application/json; charset=latin-1"):
        answered = caller(DIALECT)("POST", PATH, b"{}", content_type=kind)
        assert fault(answered)[:2] == (415, 415)


def test_a_query(caller: Callable[..., Any], upstream: Any) -> None:
    """The page has no parameters in the query, so they are refused by their name."""
    answered = caller(DIALECT)("POST", f"{PATH}?notify=no", {ITEMS: [item()]})
    message = f"{SAYING[8931]}: notify is not a parameter of this call"
    assert fault(answered) == (400, 8931, message)
    assert upstream.asked == []


def test_keys_sent_twice(post: Post, caller: Callable[..., Any]) -> None:
    """Two Idempotency-Keys would say two things."""
    headers = [
        ("authorization", "Bearer demo"),
        ("idempotency-key", "a"),
        ("idempotency-key", "b"),
    ]
    body = json.dumps({ITEMS: [item()]}).encode()
    answered = caller(DIALECT).send("POST", PATH.encode(), [body], headers)
    message = f"{SAYING[8931]}: idempotency-key must not be sent more than once"
    assert fault(answered) == (400, 8931, message)
