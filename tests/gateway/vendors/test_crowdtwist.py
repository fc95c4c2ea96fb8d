"""CrowdTwist's dialect without a service: what it asks for, and how it words every failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from points.v1 import expiring_pb2
from points_grpc import errors
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.vendors.crowdtwist.routes import DIALECT, NOBODY
from points_grpc.rpc.status import status_of

METHOD = "GetExpirationSchedule"
ALICE = "/v2/users/alice/points_expiration"
ID_TYPES = (
    "id, email, third_party_id, mobile_phone_number, facebook_user_id, twitter_user_id, username"
)
KEY = {"x_ct_authorization": "CTApiKey demo"}


@pytest.fixture
def get(upstream: Any, caller: Callable[..., Any]) -> Callable[..., Any]:
    """Asks for a path; the service knows of nothing that expires."""
    upstream.answers[METHOD] = expiring_pb2.GetExpirationScheduleResponse()
    call = caller(DIALECT)
    return lambda target, method="GET", **headers: call(method, target, **(KEY | headers))


def refused(answered: Any) -> tuple[int, str, str]:
    body = answered.json
    assert list(body) == ["error", "message"]
    return answered.status, body["error"], body["message"]


def test_both_arrays_are_always_there(get: Callable[..., Any]) -> None:
    """What there is nothing of is an empty array."""
    answered = get(f"{ALICE}?id_type=username")
    assert answered.status == 200
    assert answered.body == (
        b'{"redemption_period_points_expiration":[],"inactivity_points_expiration":[]}'
    )


@pytest.mark.parametrize(
    ("id_type", "identifier"),
    [
        ("email", "email"),
        ("third_party_id", "external_id"),
        ("mobile_phone_number", "phone"),
        ("facebook_user_id", "facebook_user_id"),
        ("twitter_user_id", "twitter_user_id"),
        ("username", "username"),
    ],
)
def test_types_of_id(get: Callable[..., Any], upstream: Any, id_type: str, identifier: str) -> None:
    """Each type of id is an identifier of the member's, taken as it was sent."""
    get(f"/v2/users/a%20b%2fc/points_expiration?id_type={id_type}")
    member = {"identifier": {"type": identifier, "value": "a b/c"}}
    assert upstream.asked[0][1] == expiring_pb2.GetExpirationScheduleRequest(
        member=member, trailing_months=3, forward_months=6
    )


@pytest.mark.parametrize("query", ["", "?id_type=id"])
@pytest.mark.parametrize(
    ("user_id", "asked"),
    [
        ("11138266", 11138266),
        ("9007199254740990", NOBODY - 1),
        *((sent, NOBODY) for sent in ("alice", "0", "-1", "1.0", "%D9%A1", "9" * 16, "9" * 40)),
    ],
)
def test_numbers(
    get: Callable[..., Any], upstream: Any, user_id: str, asked: int, query: str
) -> None:
    """Without an id_type it is a number; what cannot be one is nobody's, says the service."""
    get(f"/v2/users/{user_id}/points_expiration{query}")
    assert upstream.asked[0][1].member.member_id == asked


@pytest.mark.parametrize(
    ("query", "headers", "token"),
    [
        ("", {}, "demo"),
        ("?api_key=other", {}, "demo"),
        ("?api_key=other", {"x_ct_authorization": ""}, "other"),
    ],
)
def test_credentials(
    get: Callable[..., Any], upstream: Any, query: str, headers: dict[str, str], token: str
) -> None:
    """The header goes before the query, and the service decides."""
    get(f"/v2/users/1/points_expiration{query}", **headers)
    assert upstream.asked[0][2].token == token


@pytest.mark.parametrize(
    ("query", "header"),
    [("?api_key=other&api_key=demo", ""), ("?api_key=", ""), ("", ""), ("", "demo")],
)
def test_no_credential(get: Callable[..., Any], upstream: Any, query: str, header: str) -> None:
    """Without a key, with two, and with a bearer alone nobody is let in."""
    answered = get(f"/v2/users/1/points_expiration{query}", x_ct_authorization=header)
    assert answered.status == 403
    assert answered.json == {"error": "invalid_auth", "message": "Invalid access credentials."}
    assert upstream.asked == []


def test_a_month(get: Callable[..., Any], upstream: Any) -> None:
    """It shows what its lots lost to redemptions, and its last day where nothing expires."""
    upstream.answers[METHOD] = expiring_pb2.GetExpirationScheduleResponse(
        months=[
            {
                "last_day": {"year": 2024, "month": 2, "day": 29},
                "expired": {"value": "1"},
                "expiring": {"value": "2"},
                "redeemed": {"value": "3"},
                "redeemed_from_lots": {"value": "9007199254740993"},
                "expire_time": {"seconds": 1_709_164_799, "nanos": 999_999_000},
            },
            {
                "last_day": {"year": 2024, "month": 2, "day": 29},
                "expired": {"value": "0"},
                "expiring": {"value": "0"},
                "redeemed": {"value": "0"},
                "redeemed_from_lots": {"value": "0"},
            },
        ]
    )
    first, second = get(ALICE).json["redemption_period_points_expiration"]
    assert first == {
        "points_expired": 1,
        "points_expiring": 2,
        "points_redeemed": 9007199254740993,
        "expiration_date": "2024-02-28T23:59:59.999Z",
    }
    assert second["expiration_date"] == "2024-02-29T00:00:00.000Z"


def test_decimals_are_refused(get: Callable[..., Any], upstream: Any) -> None:
    """A currency with decimals is refused as such, even where they are zeros."""
    upstream.answers[METHOD] = expiring_pb2.GetExpirationScheduleResponse(
        inactivity=[{"expiring": {"value": "200.00"}}]
    )
    text = "The points of this program have decimals, which points expiration cannot express."
    assert refused(get(ALICE)) == (400, "invalid_currency", text)


@pytest.mark.parametrize(
    ("target", "word", "message"),
    [
        (f"{ALICE}?id_type=", "missing_data", "Value of field [id_type] must not be empty."),
        (
            f"{ALICE}?id_type=Email",
            "invalid",
            f"Value of field [id_type] must be one of {ID_TYPES}.",
        ),
        (
            f"{ALICE}?id_type=id&id_type=email",
            "invalid",
            "Value of field [id_type] must not be given more than once.",
        ),
        (f"{ALICE}?page=1", "invalid", "Field [page] is not a parameter of this call."),
        (f"{ALICE}?id_type=%ff", "invalid", "The query is not UTF-8."),
        ("/v2/users/%ff/points_expiration", "invalid", "The path is not UTF-8."),
        (
            "/v2/users//points_expiration?id_type=email",
            "missing_data",
            "Value of field [user_id] must not be empty.",
        ),
    ],
)
def test_bad_input(get: Callable[..., Any], target: str, word: str, message: str) -> None:
    """A request that makes no sense is refused with the field's name."""
    assert refused(get(target)) == (400, word, message)


def test_wrong_method(get: Callable[..., Any]) -> None:
    """A method that is not supported is an input error."""
    answered = get(ALICE, "POST")
    assert refused(answered) == (405, "invalid", "The path does not take this method.")
    assert answered.headers["allow"] == "GET, HEAD, OPTIONS"


def test_malformed_timeout(get: Callable[..., Any]) -> None:
    """A header of our own is an input like any other."""
    status, word, message = refused(get(ALICE, x_request_timeout="soon"))
    assert (status, word) == (400, "invalid")
    assert message.startswith("Value of field [X-Request-Timeout] must be a positive number")


NO_CONFIGURATION = (200, "page_not_found", "Unable to find points expiration configuration.")
INTERNAL = ("internal_error", "An error has occurred.")


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        (errors.TokenInvalid(), (403, "invalid_auth", "Invalid access credentials.")),
        (errors.ScopeMissing(), (403, "invalid_auth", "Invalid access credentials.")),
        (errors.MemberNotFound("member"), (404, "page_not_found", "Unable to find user.")),
        (errors.ExpirationNotConfigured("currency"), NO_CONFIGURATION),
        (errors.ProgramNotFound("program_id"), NO_CONFIGURATION),
        (errors.CurrencyNotFound("currency"), NO_CONFIGURATION),
        (
            errors.InvalidField("member.identifier.value", "must not be empty as phone"),
            (400, "invalid", "Value of field [user_id] must not be empty as phone."),
        ),
        (errors.Overloaded(), (503, *INTERNAL)),
        (errors.StorageUnavailable(), (503, *INTERNAL)),
        (errors.IdentifierTaken("member"), (500, *INTERNAL)),
    ],
)
def test_refusals(
    get: Callable[..., Any],
    upstream: Any,
    refusal: errors.Refusal,
    answer: tuple[int, str, str],
) -> None:
    """Each refusal of the service has the page's words; what cannot be is a server error."""
    upstream.answers[METHOD] = UpstreamRefusal(status_of(refusal))
    answered = get(ALICE)
    assert refused(answered) == answer
    assert ("retry-after" in answered.headers) is (answer[0] == 503)


def test_mistakes_of_ours(get: Callable[..., Any], upstream: Any) -> None:
    """What nobody foresaw is the page's 500, without a word about it."""
    upstream.answers[METHOD] = RuntimeError("secret")
    answered = get(ALICE)
    assert refused(answered) == (500, *INTERNAL)
