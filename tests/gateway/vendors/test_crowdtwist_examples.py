"""CrowdTwist's page, replayed against a live server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.gateway.live import Live, Reply

ALICE = "alice@crowdtwist.com"
KEY = {"x_ct_authorization": "CTApiKey demo"}
SAMPLE = f"/v2/users/{ALICE}/points_expiration?api_key=demo&id_type=email"

FIXED = [
    # points_expired, points_expiring, points_redeemed, expiration_date
    (100, 0, 0, "2022-02-28T00:00:00.000Z"),
    (0, 0, 0, "2022-03-31T00:00:00.000Z"),
    (200, 0, 0, "2022-04-30T00:00:00.000Z"),
    (0, 1000, 0, "2022-05-31T00:00:00.000Z"),
    (0, 3013, 120, "2022-06-30T11:00:00.000Z"),
    (0, 2000, 0, "2022-07-31T00:00:00.000Z"),
    (0, 0, 0, "2022-08-31T00:00:00.000Z"),
    (0, 0, 0, "2022-09-30T00:00:00.000Z"),
    (0, 1000, 0, "2022-10-31T00:00:00.000Z"),
    (0, 0, 0, "2022-11-30T00:00:00.000Z"),
]
REDEMPTION_PERIOD = [
    {
        "points_expired": expired,
        "points_expiring": expiring,
        "points_redeemed": redeemed,
        "expiration_date": at,
    }
    for expired, expiring, redeemed, at in FIXED
]
INACTIVITY = [
    {
        "last_qualified_date": "2022-05-25T08:45:41.000Z",
        "expiration_date": "2023-05-25T08:45:41.000Z",
        "days_until_expiry": 365,
        "points_expiring": 200,
    }
]

NEVER: dict[str, Any] = {"policy": "never", "never": {}}
IDLE: dict[str, Any] = {"policy": "idle", "inactivity": {"months": 12}}

Open = Callable[..., Live]


def opened(open_live: Open, policy: dict[str, Any], scale: int = 0) -> Live:
    """A server whose default program has one currency with one policy, and alice."""
    live = open_live()
    live.ask("ProgramService/CreateProgram", {"program_id": 7, "name": "P", "time_zone": "UTC"})
    currency = {"program_id": 7, "currency_code": "P", "scale": scale, "default_policy": policy}
    live.ask("ProgramService/CreateCurrency", currency)
    live.make_default(7)
    live.ask("MemberService/CreateMember", {"email": ALICE})
    return live


def earn(live: Live, amount: int, **more: Any) -> None:
    """Alice earns."""
    earn = {"member": {"email": ALICE}, "amount": {"value": str(amount)}, **more}
    live.ask("PointsService/Earn", earn)


def play_the_winter(live: Live) -> None:
    """What happens before the page's first sample."""
    live.set_clock("2022-01-10T00:00:00Z")
    earn(live, 3133, expire_time="2022-06-30T11:00:00Z")
    live.ask("PointsService/Redeem", {"member": {"email": ALICE}, "amount": {"value": "120"}})
    for amount, day in (
        (100, "02-28"),
        (200, "04-30"),
        (1000, "05-31"),
        (2000, "07-31"),
        (1000, "10-31"),
    ):
        earn(live, amount, expire_time=f"2022-{day}T00:00:00Z")


def shown(reply: Reply) -> Any:
    assert reply.status == 200, reply
    return reply.json


def refused(reply: Reply) -> Any:
    return reply.status, reply.json["error"], reply.json["message"]


def test_points_that_expire_after_a_redemption_period(open_live: Open) -> None:
    """The first sample: ten months, to the point, and no inactivity."""
    live = opened(open_live, NEVER)
    play_the_winter(live)
    live.set_clock("2022-05-25T12:00:00Z")
    assert shown(live.call("GET", SAMPLE)) == {
        "redemption_period_points_expiration": REDEMPTION_PERIOD,
        "inactivity_points_expiration": [],
    }


def test_points_that_expire_by_inactivity(open_live: Open) -> None:
    """The second sample: no months, and what a year without activity ends."""
    live = opened(open_live, IDLE)
    live.set_clock("2022-05-25T08:45:41Z")
    earn(live, 200)
    assert shown(live.call("GET", SAMPLE)) == {
        "redemption_period_points_expiration": [],
        "inactivity_points_expiration": INACTIVITY,
    }


def test_points_under_several_rules(open_live: Open) -> None:
    """The third sample: both (with the misspelt name of one field put right)."""
    live = opened(open_live, IDLE)
    play_the_winter(live)
    live.set_clock("2022-05-25T08:45:41Z")
    earn(live, 200)
    live.set_clock("2022-05-25T12:00:00Z")
    assert shown(live.call("GET", SAMPLE)) == {
        "redemption_period_points_expiration": REDEMPTION_PERIOD,
        "inactivity_points_expiration": INACTIVITY,
    }


@pytest.mark.parametrize(
    "path", [SAMPLE.replace("=demo", "=QWERTYUIOP"), SAMPLE.split("?", maxsplit=1)[0]]
)
def test_wrong_credentials(open_live: Open, path: str) -> None:
    """The sample of an error: a wrong key, or none."""
    reply = opened(open_live, NEVER).call("GET", path)
    assert reply.status == 403
    assert reply.json == {"error": "invalid_auth", "message": "Invalid access credentials."}


def test_an_unknown_user(open_live: Open) -> None:
    """404, in the page's words."""
    reply = opened(open_live, IDLE).call("GET", SAMPLE.replace("alice", "nobody"))
    assert refused(reply) == (404, "page_not_found", "Unable to find user.")


def test_nothing_that_expires(open_live: Open) -> None:
    """200 with an error, in the page's words, where no expiry is configured."""
    reply = opened(open_live, NEVER).call("GET", SAMPLE)
    text = "Unable to find points expiration configuration."
    assert refused(reply) == (200, "page_not_found", text)


def test_no_program_at_all(open_live: Open) -> None:
    """A tenant without programs has no expiry configured either."""
    reply = open_live().call("GET", SAMPLE)
    assert refused(reply)[:2] == (200, "page_not_found")


def test_points_with_decimals(open_live: Open) -> None:
    """A currency with decimals is refused rather than rounded."""
    reply = opened(open_live, {"policy": "year", "period": {"months": 12}}, 2).call("GET", SAMPLE)
    assert refused(reply)[:2] == (400, "invalid_currency")


def test_the_service_is_down(live: Live) -> None:
    """The page's server error, where the service cannot be reached."""
    live.stop_service()
    reply = live.call("GET", SAMPLE)
    assert refused(reply) == (503, "internal_error", "An error has occurred.")
    assert reply.headers["retry-after"] == "1"


def test_every_type_of_id(live: Live) -> None:
    """A user is found by each type of id, the default being the vendor's number or ours."""
    types = ("facebook_user_id", "twitter_user_id")
    member = live.ask(
        "MemberService/CreateMember",
        {
            "vendor_id": 11138266,
            "external_id": "crm 1/2",
            "email": ALICE,
            "phone": "+1 555 0100",
            "username": "alice",
            "identifiers": [{"type": kind, "value": f"of {kind}"} for kind in types],
        },
    )["member"]
    users = [
        ("11138266", ""),
        ("11138266", "?id_type=id"),
        (member["member_id"], ""),
        ("crm%201%2F2", "?id_type=third_party_id"),
        ("ALICE%40crowdtwist.com", "?id_type=email"),
        ("15550100", "?id_type=mobile_phone_number"),
        ("alice", "?id_type=username"),
        *((f"of%20{kind}", f"?id_type={kind}") for kind in types),
    ]
    for user, query in users:
        reply = live.call("GET", f"/v2/users/{user}/points_expiration{query}", **KEY)
        assert len(shown(reply)["redemption_period_points_expiration"]) == 10, user
        assert shown(reply)["inactivity_points_expiration"] == []
