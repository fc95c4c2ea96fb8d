"""Autional's page, played against a live server: its types and names, and its rules."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.gateway.live import Live, Reply

NOW = "2026-04-15T10:30:00Z"
BEARER = {"authorization": "Bearer demo"}

ACCOUNT = {
    "balance": 0,
    "created_at": "2026-01-15T10:30:00Z",
    "exchange_rate": 100,
    "expired_points": 100,
    "frozen_balance": 0,
    "points_type": "cash_equivalent",
    "status": "active",
    "tenant_id": "demo",
    "total_earned": 100,
    "total_spent": 100,
    "updated_at": NOW,
    "user_id": "usr_example_001",
    "version": 2,
}
TRANSACTION = {
    "amount": 100,
    "balance_after": 0,
    "balance_before": 100,
    "created_at": NOW,
    "description": "Old points",
    "idempotency_key": "ik_abc123",
    "status": "completed",
    "type": "expire",
    "updated_at": NOW,
    "user_id": "usr_example_001",
}

# The examples of the page's fields, which belong to no one answer: names and types.
PAGE_ACCOUNT = {
    "balance": 1500,
    "created_at": "2026-01-15T10:30:00Z",
    "exchange_rate": 100,
    "expired_points": 100,
    "frozen_balance": 200,
    "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "points_type": "cash_equivalent",
    "status": "active",
    "tenant_id": "tnt_example_001",
    "total_earned": 5000,
    "total_spent": 3500,
    "updated_at": "2026-04-10T14:20:00Z",
    "user_id": "usr_example_001",
    "version": 3,
}
PAGE_TRANSACTION = {
    "account_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "amount": 100,
    "balance_after": 1500,
    "balance_before": 1400,
    "created_at": "2026-04-15T10:30:00Z",
    "description": "Daily check-in reward",
    "expires_at": "2027-01-15T10:30:00Z",
    "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "idempotency_key": "ik_abc123",
    "reason": "Check-in reward",
    "related_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "source": "daily_checkin",
    "status": "completed",
    "type": "earn",
    "updated_at": "2026-04-15T10:30:00Z",
    "user_id": "usr_example_001",
}


@pytest.fixture
def earned(live: Live) -> Live:
    """The page's user with 100 points."""
    live.set_clock("2026-01-15T10:30:00Z")
    earn(live, "usr_example_001", "100")
    live.set_clock(NOW)
    return live


def earn(live: Live, user: str, amount: str) -> None:
    live.ask("PointsService/Earn", {"member": {"external_id": user}, "amount": {"value": amount}})


def expire(live: Live, user: str, body: Any, **headers: str) -> Reply:
    return live.call("POST", f"/admin/points/{user}/expire", body, **(BEARER | headers))


def types_of(shown: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in shown.items()}


def without_ids(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in ("id", "account_id")}


def test_more_than_there_is(earned: Live) -> None:
    """Of 150 points asked for, the 100 that there are expire; every field is the page's."""
    body = {"amount": 150, "description": "Old points"}
    reply = expire(earned, "usr_example_001", body, x_idempotency_key="ik_abc123")
    assert reply.status == 200
    data = reply.json["data"]
    assert {**reply.json, "data": {}} == {
        "code": 0,
        "data": {},
        "message": "success",
        "timestamp": NOW,
    }
    assert data.keys() == {"account", "points_earned", "transaction"}
    assert data["points_earned"] == 0
    assert without_ids(data["account"]) == ACCOUNT
    assert without_ids(data["transaction"]) == TRANSACTION
    assert data["transaction"]["account_id"] == data["account"]["id"]
    assert types_of(data["account"]) == types_of(PAGE_ACCOUNT)
    assert types_of(data["transaction"]).items() <= types_of(PAGE_TRANSACTION).items()


def test_a_key_makes_repeating_safe(earned: Live) -> None:
    """The same request with the same key is answered again and done once, also later."""
    body = {"amount": 30}
    first = expire(earned, "usr_example_001", body, x_idempotency_key="k")
    earned.set_clock("2026-04-16T00:00:00Z")
    again = expire(earned, "usr_example_001", body, x_idempotency_key="k")
    assert again.json == first.json
    assert first.json["data"]["account"]["balance"] == 70


def test_without_a_key(earned: Live) -> None:
    """Without a key every request is one of its own, and its transaction shows none."""
    expire(earned, "usr_example_001", {"amount": 30})
    data = expire(earned, "usr_example_001", {"amount": 30}).json["data"]
    assert data["account"]["balance"] == 40
    assert data["transaction"].keys() & {"idempotency_key", "description"} == set()


def test_a_key_with_other_content(earned: Live) -> None:
    """A key that was used for something else is a bad request."""
    expire(earned, "usr_example_001", {"amount": 30}, x_idempotency_key="k")
    reply = expire(earned, "usr_example_001", {"amount": 31}, x_idempotency_key="k")
    text = "X-Idempotency-Key was used before with other content."
    assert (reply.status, reply.json) == (400, {"code": 400, "message": text, "timestamp": NOW})


def test_nothing_left(earned: Live) -> None:
    """Where nothing is left the answer is a success without a transaction."""
    expire(earned, "usr_example_001", {"amount": 100})
    reply = expire(earned, "usr_example_001", {"amount": 1})
    assert (reply.status, reply.json["data"]["transaction"]) == (200, None)
    assert reply.json["data"]["account"]["expired_points"] == 100


def test_totals(earned: Live) -> None:
    """What was spent and what expired is total_spent together."""
    member = {"external_id": "usr_example_001"}
    earned.ask("PointsService/Redeem", {"member": member, "amount": {"value": "25"}})
    account = expire(earned, "usr_example_001", {"amount": 10}).json["data"]["account"]
    shown = [account[name] for name in ("balance", "expired_points", "total_spent")]
    assert shown == [65, 10, 35]


def test_a_currency_with_decimals(earned: Live) -> None:
    """Points with decimals are refused, and stay as they were."""
    earned.make_default(123)
    earn(earned, "usr_example_001", "50.24")
    reply = expire(earned, "usr_example_001", {"amount": 50}, x_idempotency_key="k")
    text = "amount cannot be given: the points have decimals, and here amounts are whole numbers."
    assert (reply.status, reply.json["message"]) == (400, text)
    asked = {"program_id": 123, "member": {"external_id": "usr_example_001"}}
    account = earned.ask("PointsService/GetAccount", asked)["account"]
    assert account["available"] == {"value": "50.24"}


def test_an_unlinked_user_repeats_a_request(earned: Live) -> None:
    """A request is answered again even after its user_id was taken away."""
    member = {"external_id": "usr_example_001"}
    identifier = {"type": "external_id", "value": "usr_example_001"}
    first = expire(earned, "usr_example_001", {"amount": 1}, x_idempotency_key="k")
    earned.ask("MemberService/UnlinkIdentifier", {"member": member, "identifier": identifier})
    again = expire(earned, "usr_example_001", {"amount": 1}, x_idempotency_key="k")
    assert (again.status, again.json) == (200, first.json)


@pytest.mark.parametrize(
    ("user", "body", "headers", "status", "text"),
    [
        ("nobody", {"amount": 1}, {}, 404, "There is no such member."),
        ("empty", {"amount": 1}, {}, 404, "The member has no account in this currency."),
        ("u", {"amount": 0}, {}, 400, "amount must be greater than zero."),
        ("u", {"amount": -5}, {}, 400, "amount must be greater than zero."),
        (
            "u",
            {"amount": 10**16},
            {},
            400,
            "amount must not exceed 1000000000000000 of the smallest unit.",
        ),
        (
            "u",
            {"amount": 1, "description": "x" * 1025},
            {},
            400,
            "description must not be longer than 1024 characters.",
        ),
        ("u" * 257, {"amount": 1}, {}, 400, "user_id must not be longer than 256 characters."),
        (
            "u",
            {"amount": 1},
            {"x_idempotency_key": "k" * 129},
            400,
            "X-Idempotency-Key must not be longer than 128 characters.",
        ),
        (
            "u",
            {"amount": 1},
            {"authorization": "Bearer other"},
            401,
            "The credential is missing or not valid.",
        ),
        (
            "u",
            {"amount": 1},
            {"authorization": "Basic demo"},
            401,
            "The credential is missing or not valid.",
        ),
    ],
)
def test_refusals_speak_of_the_pages_fields(
    crowd: Live, user: str, body: Any, headers: dict[str, str], status: int, text: str
) -> None:
    """What the service refuses is a SimpleResponse, with the fields as the page has them."""
    reply = expire(crowd, user, body, **headers)
    expected = {"code": status, "message": text, "timestamp": "2022-01-01T00:00:00Z"}
    assert (reply.status, reply.json) == (status, expected)


@pytest.fixture(scope="module")
def crowd(shared_live: Live) -> Live:
    """A user with points, and one without an account."""
    earn(shared_live, "u", "100")
    shared_live.ask("MemberService/CreateMember", {"external_id": "empty"})
    return shared_live


def test_the_service_is_down(earned: Live) -> None:
    """Without the service the answer is the page's server error."""
    earned.stop_service()
    reply = expire(earned, "usr_example_001", {"amount": 1})
    text = "The service cannot be reached; try again."
    assert (reply.status, reply.json) == (500, {"code": 500, "message": text, "timestamp": NOW})
    assert reply.headers["retry-after"] == "1"
