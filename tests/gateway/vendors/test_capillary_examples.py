"""The page's examples, asked of a whole server: capillary's updateExpiry."""

from __future__ import annotations

import json

import pytest
from tests.support.gateway.capillary_live import (
    CHANGED,
    CUSTOMER,
    ITEM,
    PATH,
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


def test_a_fixed_date_as_on_the_page(migrated: Live) -> None:
    """The page's request gets the page's answer, keys in its order and no failures."""
    reply = post(migrated, ITEM)
    assert reply.headers["content-type"] == "application/json"
    assert json.dumps(shown(reply)) == json.dumps({"currencyExpiryUpdateResponse": [CHANGED]})


def test_the_points_are_back(migrated: Live) -> None:
    """Extending a lapsed lot gives its points back until the new expiry."""
    post(migrated, ITEM)
    member = {"program_id": 469, "member": {"member_id": CUSTOMER}}
    account = migrated.ask("PointsService/GetAccount", member)["account"]
    assert account["available"] == {"value": "100"}
    assert account["next_expire_time"] == "2025-08-09T23:59:59Z"


def test_a_number_of_days_as_on_the_page(migrated: Live) -> None:
    """30 days end at the end of the thirtieth day from today."""
    item = ITEM | {"expiryDate": {"expiryType": "FIXED_DAYS", "expiryValue": "30"}}
    body = json.dumps({"expiryDateUpdateRequest": [item]}, indent=4).encode()
    headers = {"authorization": "Bearer demo", "content_type": "application/json"}
    answer = shown(migrated.call("POST", PATH, body, **headers))
    assert answer == {
        "currencyExpiryUpdateResponse": [changed(newExpiryDate="2025-08-06 23:59:59")]
    }


def test_the_pages_curl(migrated: Live) -> None:
    """The page's curl command, with both credentials, expires a live lot earlier."""
    earn(migrated, POINTS + 1, expire_date={"year": 2025, "month": 12, "day": 31})
    item = ITEM | {
        "pointsAwardedRefId": POINTS + 1,
        "expiryUpdateReasonType": "EARLY_EXPIRY",
    }
    reply = post(
        migrated, item, authorization="Bearer demo", x_cap_api_auth="a token", accept="*/*"
    )
    log = changed(
        paId=POINTS + 1, expiryUpdateReasonType="EARLY_EXPIRY", oldExpiryDate="2025-12-31 23:59:59"
    )
    assert shown(reply) == {"currencyExpiryUpdateResponse": [log]}


def test_an_unknown_customer_as_on_the_page(migrated: Live) -> None:
    """A customer who is not there is the page's 8015."""
    reply = post(migrated, ITEM | {"identifierValue": "172440987"})
    failure = failed(8015, "Customer not found for the given identifiers")
    assert json.dumps(shown(reply)) == json.dumps(
        {"currencyExpiryUpdateResponse": [], "failures": [failure]}
    )


def test_an_unknown_award_as_on_the_page(migrated: Live) -> None:
    """Points that the customer was not awarded are the page's 3034."""
    reply = post(migrated, ITEM | {"pointsAwardedRefId": 1175219})
    message = "No points awarded found for reference type POINT_AWARDED and ID 1175219"
    failure = failed(3034, message, pointsAwardedRefId=1175219)
    assert shown(reply) == {"currencyExpiryUpdateResponse": [], "failures": [failure]}


def test_a_past_day_as_on_the_page(migrated: Live) -> None:
    """Yesterday is the page's 3037, today is not."""
    yesterday = {"expiryType": "FIXED_DATE", "expiryValue": "2025-07-06"}
    today = {"expiryType": "FIXED_DATE", "expiryValue": "2025-07-07"}
    reply = post(migrated, ITEM | {"expiryDate": yesterday}, ITEM | {"expiryDate": today})
    message = "Invalid expiry date: Expiry date must be in the future"
    assert shown(reply) == {
        "currencyExpiryUpdateResponse": [changed(newExpiryDate="2025-07-07 23:59:59")],
        "failures": [failed(3037, message)],
    }


def test_wrong_types_as_on_the_page(migrated: Live) -> None:
    """A type that there is not is the page's 8941, and nothing changes."""
    types = (
        "POINT_AWARDED, POINT_AWARDED_BILL_PROMOTION, POINT_AWARDED_LINEITEM,"
        " POINT_AWARDED_LINEITEM_PROMOTION, POINT_AWARDED_CUSTOMER_PROMOTION"
    )
    reply = post(migrated, ITEM, ITEM | {"pointsAwardedRefType": "POINTS_AWARDED"})
    assert (reply.status, reply.json) == (400, refused(8941, f"Valid values are: [{types}]"))
    expiry = {"expiryType": "FIXED_YEARS", "expiryValue": "30"}
    reply = post(migrated, ITEM | {"expiryDate": expiry})
    types = "FIXED_DATE, FIXED_DAYS, FIXED_MONTHS, IMMEDIATE"
    assert (reply.status, reply.json) == (400, refused(8941, f"Valid values are: [{types}]"))
    member = {"program_id": 469, "member": {"member_id": CUSTOMER}}
    assert "expiry_changes" not in migrated.ask("PointsService/ListExpiryChanges", member)
