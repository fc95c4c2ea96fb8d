"""TBNS's page, replayed against a live server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.gateway.live import Live, Reply

Open = Callable[..., Live]

# As on the page, but for the secret.
BASE = "/functions/v1"
SENT = {
    "content_type": "application/json",
    "authorization": "Bearer <JWT>",
    "x_token": "demo",
}
USER = "1749801330826x541366778024405570"
ORDER = {
    "subid": "order-12345",
    "amount": 100,
    "user_view_text": "Points for completing survey",
    "user_id": USER,
}


def read(live: Live, target: str, **headers: str) -> Reply:
    return live.call("GET", f"{BASE}{target}", **{**SENT, **headers})


def listed(reply: Reply) -> list[Any]:
    assert reply.status == 200, reply
    assert reply.json["next_page_token"] == ""
    points: list[Any] = reply.json["points"]
    return points


def create(live: Live, **more: Any) -> Any:
    reply = live.call("POST", f"{BASE}/api/points/create", {**ORDER, **more}, **SENT)
    assert reply.status == 200, reply
    return reply.json


def update(live: Live, point_id: str, status: str) -> Reply:
    body = {"point_id": point_id, "status": status}
    return live.call("PATCH", f"{BASE}/api/points/update", body, **SENT)


def approve(live: Live, *point_ids: str) -> None:
    live.ask("PointsService/ApproveTransactions", {"transaction_ids": point_ids})


def test_create_points(live: Live) -> None:
    """A new transaction is open, under a text id, with what was sent and its dates."""
    live.set_clock("2025-06-13T07:55:30.826Z")
    created = create(live)
    point_id = created.pop("point_id")
    assert point_id.isdecimal()
    assert created == {
        **ORDER,
        "status": "Open",
        "created_at": "2025-06-13T07:55:30.826Z",
        "updated_at": "2025-06-13T07:55:30.826Z",
    }
    account = live.ask("PointsService/GetAccount", {"member": {"external_id": USER}})["account"]
    assert (account["available"], account["pending"]) == ({"value": "0"}, {"value": "100"})


def test_one_subid_twice(live: Live) -> None:
    """A subid is a reference: sent again it makes another transaction."""
    assert create(live)["point_id"] != create(live)["point_id"]
    assert len(listed(read(live, "/api/user/points"))) == 2


def test_get_points(live: Live) -> None:
    """The page's four ways of asking, each sorted by amount, the largest first."""
    statuses = ("Open", "Pending", "Approved", "Closed")
    made: dict[tuple[str, str], str] = {}
    for place, status in enumerate(statuses):
        for user, amount in ((USER, 10 * place + 5), ("another", 10 * (4 - place))):
            point_id = create(live, user_id=user, amount=amount)["point_id"]
            made[user, status] = point_id
            if status in ("Pending", "Closed"):
                assert update(live, point_id, status).status == 200
            elif status == "Approved":
                approve(live, point_id)

    def asked(target: str) -> list[tuple[str, int, str]]:
        points = listed(read(live, target))
        assert {point["point_id"] for point in points} <= set(made.values())
        return [(point["user_id"], point["amount"], point["status"]) for point in points]

    mine = [(USER, 35, "Closed"), (USER, 25, "Approved"), (USER, 15, "Pending"), (USER, 5, "Open")]
    theirs = [("another", 10 * (4 - place), status) for place, status in enumerate(statuses)]
    everything = sorted(mine + theirs, key=lambda point: -point[1])
    closed = [point for point in everything if point[2] == "Closed"]
    assert asked("/api/user/points") == everything
    assert asked(f"/api/user/points?user_id={USER}") == mine
    assert asked("/api/user/points&status=Closed") == closed
    assert asked("/api/user/points?status=Closed") == closed
    assert asked(f"/api/user/points?user_id={USER}&status=Open") == mine[-1:]
    assert asked(f"/api/user/points&user_id={USER}&status=Open") == mine[-1:]
    assert asked(f"/api/user/points&status=Open?user_id={USER}") == mine[-1:]


@pytest.mark.parametrize("status", ["Pending", "Closed"])
def test_update_points_status(live: Live, status: str) -> None:
    """An open transaction becomes what was asked, and says so."""
    created = create(live)
    live.set_clock("2022-01-02T00:00:00Z")
    reply = update(live, created["point_id"], status)
    changed = {"status": status, "updated_at": "2022-01-02T00:00:00.000Z"}
    assert (reply.status, reply.json) == (200, created | changed)
    assert listed(read(live, f"/api/user/points?status={status}")) == [reply.json]


@pytest.mark.parametrize("status", ["Pending", "Closed", "Approved"])
def test_only_open_ones_can_be_updated(live: Live, status: str) -> None:
    """Anything that is not open cannot be modified, and the message says why."""
    point_id = create(live)["point_id"]
    if status == "Approved":
        approve(live, point_id)
    else:
        update(live, point_id, status)
    reply = update(live, point_id, "Closed")
    assert reply.status == 409
    assert reply.json == {
        "error": 'Only transactions with the status "Open" can be updated; this one has the'
        f' status "{status}".'
    }
    assert listed(read(live, "/api/user/points"))[0]["status"] == status


def test_approved_is_not_for_the_site(live: Live) -> None:
    """Nobody approves, or reopens, through an update."""
    point_id = create(live)["point_id"]
    for status in ("Approved", "Open", "closed", ""):
        reply = update(live, point_id, status)
        assert (reply.status, reply.json) == (400, {"error": "status must be Pending or Closed."})


@pytest.mark.parametrize(
    "point_id", ["1749807859784x717369051962552600", "9" * 30, "70368744177728"]
)
def test_ids_of_nothing(live: Live, point_id: str) -> None:
    """An id of another system, or of no transaction, is not found."""
    reply = update(live, point_id, "Closed")
    text = "There is no point transaction with this point_id."
    assert (reply.status, reply.json) == (404, {"error": text})


@pytest.mark.parametrize("token", ["X-TOKEN", ""])
def test_wrong_credentials(live: Live, token: str) -> None:
    """X-Token is what counts, whatever the bearer is."""
    reply = read(live, "/api/user/points", x_token=token, authorization="Bearer demo")
    assert reply.status == 401
    assert reply.json == {"error": "The X-Token is missing or not valid."}
    reply = live.call(
        "PATCH", f"{BASE}/api/points/update", {"point_id": "x", "status": "Closed"}, x_token=token
    )
    assert reply.status == 401


def test_a_user_who_never_got_points(live: Live) -> None:
    """A filter that fits nobody finds nothing."""
    assert listed(read(live, "/api/user/points?user_id=nobody")) == []


def test_decimals(open_live: Open) -> None:
    """In a currency with decimals an amount keeps its digits, as a number."""
    live = open_live()
    live.load_demo()
    live.make_default(123)
    sent = json.dumps(ORDER).replace("100", "100.5").encode()
    reply = live.call("POST", "/api/points/create", sent, **SENT)
    assert b'"amount":100.50,' in reply.body, reply
    refused = live.call("POST", "/api/points/create", {**ORDER, "amount": 0.001}, **SENT)
    assert refused.status == 400
    assert refused.json == {"error": "amount must not have more than 2 decimals."}


def test_more_than_a_thousand(live: Live) -> None:
    """The first thousand come at once, the rest for the token that comes with them."""
    members = [f"u{number}" for number in range(21)]
    for first in range(0, 1050, 525):
        earns = [
            {
                "member": {"external_id": members[place % 21]},
                "amount": {"value": str(place + 1)},
                "initial_state": "LOT_STATE_OPEN",
            }
            for place in range(first, first + 525)
        ]
        live.ask("PointsService/BatchEarn", {"earns": earns})
    reply = read(live, "/api/user/points?status=Open")
    rest = read(
        live, f"/api/user/points?status=Open&next_page_token={reply.json['next_page_token']}"
    )
    amounts = [point["amount"] for point in reply.json["points"] + listed(rest)]
    assert len(reply.json["points"]) == 1000
    assert amounts == list(range(1050, 0, -1))
    other = read(live, f"/api/user/points?next_page_token={reply.json['next_page_token']}")
    text = "next_page_token was not issued for this query."
    assert (other.status, other.json) == (400, {"error": text})


def test_the_service_is_down(live: Live) -> None:
    """503, in the shape of every error, and when to try again."""
    live.stop_service()
    reply = read(live, "/api/user/points")
    text = "The service cannot be reached; try again."
    assert (reply.status, reply.json) == (503, {"error": text})
    assert reply.headers["retry-after"] == "1"
