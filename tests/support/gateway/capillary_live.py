"""What the tests of Capillary's dialect before a whole server share."""

from __future__ import annotations

from typing import Any

from tests.support.gateway.live import Live, Reply

PATH = "/v2/points/updateExpiry"
NOW = "2025-07-07T06:39:11Z"
CUSTOMER = 172440986
POINTS = 117521910
FAILED = "Points expiry update failed"

ITEM: dict[str, Any] = {
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
# The page's, with the note and the reason of its request and without the volatile id.
CHANGED: dict[str, Any] = {
    "customerId": 172440986,
    "programId": 469,
    "currencyName": "POINTS",
    "pointsExpiryUpdateLogs": {
        "paType": "POINT_AWARDED",
        "paId": 117521910,
        "expiryUpdateReasonType": "EXTEND_EXPIRY",
        "expiryUpdateReasonNote": "Customer made a purchase above $100",
        "oldExpiryDate": "2022-12-31 23:59:59",
        "newExpiryDate": "2025-08-09 23:59:59",
        "eventLogId": "an id",
        "eventDate": "2025-07-07 06:39:11",
        "standardMeta": {
            "reason_for_trigger": "Extend points expiry",
            "who_approved": "Admin",
            "who_raised": "Naman",
        },
        "customMeta": {"abc": "xyz"},
    },
}


def migrate(live: Live) -> Live:
    """The page's customer with the page's lot, which has lapsed years before."""
    live.ask("MemberService/CreateMember", {"vendor_id": CUSTOMER})
    earn(live, POINTS, expire_date={"year": 2022, "month": 12, "day": 31})
    live.set_clock(NOW)
    return live


def earn(live: Live, vendor_id: int, **more: Any) -> Any:
    lot = {"program_id": 469, "member": {"member_id": CUSTOMER}, "vendor_id": vendor_id}
    return live.ask("PointsService/Earn", {**lot, "amount": {"value": "100"}, **more})


def post(live: Live, *items: dict[str, Any], **headers: str) -> Reply:
    given = headers or {"authorization": "Bearer demo"}
    return live.call("POST", PATH, {"expiryDateUpdateRequest": list(items)}, **given)


def shown(reply: Reply) -> Any:
    """The answer with its volatile ids, which must be numbers, blanked out."""
    assert reply.status == 200, reply
    answer = reply.json
    for changed in answer["currencyExpiryUpdateResponse"]:
        log = changed["pointsExpiryUpdateLogs"]
        assert 2**46 <= log["eventLogId"] < 2**53
        log["eventLogId"] = "an id"
    return answer


def changed(**log: Any) -> dict[str, Any]:
    return CHANGED | {"pointsExpiryUpdateLogs": CHANGED["pointsExpiryUpdateLogs"] | log}


def failed(number: int, message: str, **more: Any) -> dict[str, Any]:
    failure = {
        "pointsAwardedRefId": POINTS,
        "pointsAwardedRefType": "POINT_AWARDED",
        "errorCode": number,
        "errorMessage": message,
    }
    return failure | more


def refused(number: int, message: str) -> dict[str, Any]:
    return {"errors": [{"status": False, "code": number, "message": message}]}
