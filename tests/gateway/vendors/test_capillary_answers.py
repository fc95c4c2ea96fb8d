"""Capillary's dialect without a service: how it words what the service says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from tests.support.gateway.capillary_page import SAYING, Post, fault, item, poster, refusals

from points.v1.update_expiry_pb2 import UpdateExpiryResponse
from points_grpc import errors
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.rpc.status import status_of


@pytest.fixture
def post(upstream: Any, caller: Callable[..., Any]) -> Post:
    """Sends items; unless told otherwise the service has no such lot."""
    return poster(upstream, caller)


@pytest.mark.parametrize("credential", [{}, {"authorization": "Bearer other"}])
def test_time_zones_are_those_of_the_answer(
    post: Post, upstream: Any, credential: dict[str, str]
) -> None:
    """Two answers about programs of one id in two zones are each shown in their own."""
    shown = []
    for zone in ("Europe/Berlin", "Asia/Tokyo", "Europe/Berlin"):
        change = {"kind": 1, "program_id": 469, "event_time": "2025-01-01T12:00:00Z"}
        upstream.answers["UpdateExpiry"] = ParseDict(
            {"results": [{"moved": {"change": change}}], "time_zones": {"469": zone}},
            UpdateExpiryResponse(),
        )
        [changed] = post(item(), **credential).json["currencyExpiryUpdateResponse"]
        shown.append(changed["pointsExpiryUpdateLogs"]["eventDate"][11:])
    assert shown == ["13:00:00", "21:00:00", "13:00:00"]
    assert {method.rpartition("/")[2] for method, _, _ in upstream.asked} == {"UpdateExpiry"}


def test_programs_that_there_are_not(post: Post, upstream: Any) -> None:
    """An unknown program is left to the service to refuse."""
    upstream.answers["UpdateExpiry"] = refusals(errors.ProgramNotFound("program_id"))
    assert post(item()).json["failures"] == [
        {
            "pointsAwardedRefId": 117521910,
            "pointsAwardedRefType": "POINT_AWARDED",
            "errorCode": 8934,
            "errorMessage": SAYING[8934],
        }
    ]


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (errors.TokenInvalid(), (401, 401, "The credential is missing or not valid.")),
        (errors.ScopeMissing(), (403, 403, "The credential does not allow this method.")),
        (
            errors.Overloaded(),
            (429, 429, "The server has more work than it can take; try again."),
        ),
        (
            errors.StorageUnavailable(),
            (503, 503, "The database cannot be reached; try again."),
        ),
    ],
)
def test_a_call_that_fails_as_a_whole(
    post: Post,
    upstream: Any,
    refusal: errors.Refusal,
    expected: tuple[int, int, str],
) -> None:
    """A failure that is not about the content has its HTTP status for a number."""
    upstream.answers["UpdateExpiry"] = UpstreamRefusal(status_of(refusal))
    answered = post(item())
    assert fault(answered) == expected
    assert ("retry-after" in answered.headers) is (expected[0] in (429, 503))


def test_a_request_that_the_service_refuses_as_a_whole(post: Post, upstream: Any) -> None:
    """What the service finds wrong with the call is told in the page's names."""
    refusal = errors.InvalidField("request_id", "must not be longer than 128 characters")
    upstream.answers["UpdateExpiry"] = UpstreamRefusal(status_of(refusal))
    message = f"{SAYING[8931]}: Idempotency-Key must not be longer than 128 characters"
    assert fault(post(item(), idempotency_key="k" * 129)) == (400, 8931, message)
    refusal = errors.InvalidField("updates[3].custom_meta", "must not")
    upstream.answers["UpdateExpiry"] = UpstreamRefusal(status_of(refusal))
    assert fault(post(item()))[2] == f"{SAYING[8931]}: customMeta must not"


def test_a_mistake_of_ours(post: Post, upstream: Any) -> None:
    """Anything unforeseen is a 500 in the page's shape, without a word about what it was."""
    upstream.answers["UpdateExpiry"] = RuntimeError("secret")
    answered = post(item())
    assert fault(answered)[:2] == (500, 500)
    assert b"secret" not in answered.body


@pytest.mark.parametrize(
    ("refusal", "number", "message"),
    [
        (errors.MemberNotFound("member"), 8015, "Customer not found for the given identifiers"),
        (
            errors.InvalidField("member.phone", "must not be empty as phone"),
            8015,
            "Customer not found for the given identifiers",
        ),
        (
            errors.LotNotFound("lot_id"),
            3034,
            "No points awarded found for reference type POINT_AWARDED and ID 117521910",
        ),
        (
            errors.AccountNotFound(),
            3034,
            "No points awarded found for reference type POINT_AWARDED and ID 117521910",
        ),
        (
            errors.ExpiryInPast("days"),
            3037,
            "Invalid expiry date: Expiry date must be in the future",
        ),
        (
            errors.ExpiryNotEarlier("days"),
            8936,
            "Points expiry update failed: An EARLY_EXPIRY must be earlier than the present expiry",
        ),
        (
            errors.InvalidField("standard_meta.who_raised", "must not contain NUL"),
            8936,
            "Points expiry update failed: standardMeta.who_raised must not contain NUL",
        ),
        (
            errors.InvalidField("something_new", "is wrong"),
            8936,
            "Points expiry update failed: something_new is wrong",
        ),
        (
            errors.StorageUnavailable(),
            8936,
            "Points expiry update failed: The database cannot be reached; try again",
        ),
    ],
)
def test_items_that_the_service_refuses(
    post: Post, upstream: Any, refusal: errors.Refusal, number: int, message: str
) -> None:
    """Each refusal of an item has the page's number, and 8936 says in its names what it was."""
    upstream.answers["UpdateExpiry"] = refusals(refusal.under("updates[0]"))
    answered = post(item())
    assert answered.status == 200
    [failure] = answered.json["failures"]
    assert failure == {
        "pointsAwardedRefId": 117521910,
        "pointsAwardedRefType": "POINT_AWARDED",
        "errorCode": number,
        "errorMessage": message,
    }


CHANGE: dict[str, Any] = {
    "event_id": 2**53 - 1,
    "lot_id": 2**46 + 1,
    "kind": "AWARD_KIND_POINT_AWARDED",
    "event_time": {"seconds": 1_761_440_399, "nanos": 999_000_000},
    "program_id": 469,
    "currency_code": "POINTS",
    "member": {"member_id": 2**46 + 2},
}


def log_of(post: Post, upstream: Any, **more: Any) -> Any:
    moved = {"moved": {"change": CHANGE | more}}
    upstream.answers["UpdateExpiry"] = UpdateExpiryResponse(
        results=[moved], time_zones={469: "Europe/Berlin"}
    )
    answered = post(item())
    [changed] = answered.json["currencyExpiryUpdateResponse"]
    assert list(answered.json) == ["currencyExpiryUpdateResponse"]
    return changed["pointsExpiryUpdateLogs"]


def test_what_a_change_lacks_is_null(post: Post, upstream: Any) -> None:
    """Every key of the page's is there, in its order, null where there is nothing to say."""
    assert json.dumps(log_of(post, upstream)) == json.dumps(
        {
            "paType": "POINT_AWARDED",
            "paId": 2**46 + 1,
            "expiryUpdateReasonType": None,
            "expiryUpdateReasonNote": None,
            "oldExpiryDate": None,
            "newExpiryDate": None,
            "eventLogId": 2**53 - 1,
            "eventDate": "2025-10-26 02:59:59",
            "standardMeta": None,
            "customMeta": None,
        }
    )


def test_metas_of_a_change(post: Post, upstream: Any) -> None:
    """standardMeta has the keys that were given; whole numbers of customMeta stay whole."""
    custom = {"b": 2**53, "a": [1.5, {"x": None}], "c": True}
    log = log_of(post, upstream, standard_meta={"who_raised": "A"}, custom_meta=custom)
    assert log["standardMeta"] == {"who_raised": "A"}
    assert json.dumps(log["customMeta"]) == json.dumps(dict(sorted(custom.items())))
    assert log_of(post, upstream, custom_meta={})["customMeta"] == {}


@pytest.mark.parametrize(
    ("second", "shown"),
    [
        (1_743_296_399, "2025-03-30 01:59:59"),
        (1_743_296_400, "2025-03-30 03:00:00"),
        (253_402_297_199, "9999-12-31 23:59:59"),
        (253_402_300_799, "9999-12-31 23:59:59"),
        (-62_135_596_800, "0001-01-01 00:53:28"),
    ],
)
def test_times(post: Post, upstream: Any, second: int, shown: str) -> None:
    """Times are the program's local ones; those beyond the calendar are its last second."""
    assert log_of(post, upstream, old_expire_time={"seconds": second})["oldExpiryDate"] == shown
