"""Answers as messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from google.protobuf.json_format import MessageToDict

from points.v1 import (
    account_pb2,
    expire_pb2,
    expiring_pb2,
    expiry_change_pb2,
    lot_pb2,
    transaction_pb2,
)
from points_grpc.domain.model import LotState, ReasonType
from points_grpc.domain.queries import Expiring, InactivityEntry, Schedule, ScheduleMonth
from points_grpc.domain.results import Expired, MemberLabel
from points_grpc.rpc.codec.answers import (
    put_account,
    put_expired,
    put_expiry_change,
    put_lot,
    put_transaction,
)
from points_grpc.rpc.codec.reports import put_expiring, put_schedule

NOW = "2031-05-06T07:08:09.123456Z"
OWNER = {
    "account_id": str(2**46 + 1),
    "program_id": "469",
    "currency_code": "bonus_points",
    "currency_id": "9",
    "member": {"member_id": str(2**46 + 2), "vendor_id": "77", "external_id": "cust-1"},
}


def shown(kind, put, *arguments):
    """What `put` makes of a new message, as JSON has it."""
    message = kind()
    put(message, *arguments)
    return MessageToDict(message, preserving_proto_field_name=True)


def points(text):
    """A Decimal as JSON has it."""
    return {"value": text}


def test_an_account(samples):
    """Every figure of an account is shown, with exactly as many decimals as the scale."""
    assert shown(account_pb2.Account, put_account, samples.account, "demo") == {
        **OWNER,
        "tenant": "demo",
        "state": "ACCOUNT_STATE_ACTIVE",
        "available": points("123.45"),
        "pending": points("0.10"),
        "held": points("0.05"),
        "total_earned": points("200.00"),
        "total_redeemed": points("56.50"),
        "total_expired": points("20.00"),
        "version": "8",
        "points_type": "cash_equivalent",
        "exchange_rate": "100",
        "next_expire_time": NOW,
        "create_time": NOW,
        "update_time": NOW,
    }


def test_an_account_that_does_not_exist_yet(samples):
    """An account without instants and without an id shows zeros and leaves those unset."""
    none = replace(
        samples.account,
        owner=replace(samples.owner, account_id=0, member=MemberLabel(5)),
        available=0,
        next_expires_at=None,
        created_at=None,
        updated_at=None,
    )
    account = shown(account_pb2.Account, put_account, none, "demo")
    assert account["available"] == points("0.00")
    assert account["member"] == {"member_id": "5"}
    unset = {"account_id", "next_expire_time", "create_time", "update_time"}
    assert not unset & set(account)


def test_a_lot(samples):
    """Every fact of a lot is shown."""
    assert shown(lot_pb2.Lot, put_lot, samples.lot) == {
        **OWNER,
        "lot_id": str(2**46 + 3),
        "vendor_id": "31",
        "kind": "AWARD_KIND_POINT_AWARDED_LINEITEM",
        "state": "LOT_STATE_PENDING",
        "category": "LOT_CATEGORY_PROMISED",
        "amount": points("5.00"),
        "remaining": points("4.00"),
        "policy": "default",
        "policy_version": 2,
        "expiration_source": "EXPIRATION_SOURCE_EARN",
        "earn_time": NOW,
        "expire_time": NOW,
        "reference": "order-1",
        "description": "thank you",
        "source": "shop",
    }


def test_the_category_follows_the_state(samples):
    """Approved lots are regular, open and pending ones promised, closed ones neither."""
    categories = {}
    for state in LotState:
        lot = shown(lot_pb2.Lot, put_lot, replace(samples.lot, state=state, expires_at=None))
        categories[state.name] = lot.get("category", "").removeprefix("LOT_CATEGORY_")
        assert "expire_time" not in lot
    assert categories == {
        "OPEN": "PROMISED",
        "PENDING": "PROMISED",
        "APPROVED": "REGULAR",
        "CLOSED": "",
    }


def test_a_transaction(samples):
    """Every fact of a transaction is shown, its allocations in their order."""
    assert shown(transaction_pb2.Transaction, put_transaction, samples.transaction) == {
        **OWNER,
        "transaction_id": str(2**46 + 4),
        "type": "TRANSACTION_TYPE_REDEEM",
        "state": "LOT_STATE_APPROVED",
        "amount": points("1.50"),
        "balance_before": points("9.00"),
        "balance_after": points("7.50"),
        "allocations": [
            {"lot_id": str(2**46 + 3), "amount": points("1.00")},
            {"lot_id": str(2**46 + 5), "amount": points("0.50")},
        ],
        "source": "till",
        "reason": "lunch",
        "description": "bon appetit",
        "reference": "order-2",
        "request_id": "req-1",
        "related_transaction_id": str(2**46 + 6),
        "expire_time": NOW,
        "create_time": NOW,
        "update_time": NOW,
        "effective_time": NOW,
        "principal": "dev",
    }


def test_an_expiry_change(samples):
    """Every fact of an expiry change is shown; an expiry of never is unset."""
    assert shown(expiry_change_pb2.ExpiryChange, put_expiry_change, samples.change) == {
        **OWNER,
        "event_id": str(2**46 + 7),
        "lot_id": str(2**46 + 3),
        "lot_vendor_id": "31",
        "kind": "AWARD_KIND_POINT_AWARDED",
        "old_expire_time": NOW,
        "reason_note": "goodwill",
        "standard_meta": {"who_raised": "anna", "reason_for_trigger": "storm"},
        "custom_meta": {"ticket": "T-1"},
        "principal": "dev",
        "event_time": NOW,
        "request_id": "req-2",
    }


def test_an_expiry_change_with_little_to_say(samples):
    """Metas that were not given are unset, and a declared direction is shown."""
    bare = replace(
        samples.change,
        standard_meta=("", "", ""),
        custom_meta="",
        reason_type=ReasonType.EARLY_EXPIRY,
        new_expires_at=samples.now,
    )
    change = shown(expiry_change_pb2.ExpiryChange, put_expiry_change, bare)
    assert not {"standard_meta", "custom_meta"} & set(change)
    assert change["reason_type"] == "REASON_TYPE_EARLY_EXPIRY"
    assert change["new_expire_time"] == NOW


def test_ids_that_were_never_made_are_unset(samples):
    """What validate_only would have made has no ids, not negative ones."""
    owner = replace(samples.owner, account_id=-1, member=MemberLabel(-2, 0, "cust-1"))
    lot = shown(lot_pb2.Lot, put_lot, replace(samples.lot, owner=owner, lot_id=-3, vendor_id=0))
    assert not {"lot_id", "account_id", "vendor_id"} & set(lot)
    assert lot["member"] == {"external_id": "cust-1"}
    preview = replace(
        samples.transaction,
        transaction_id=-3,
        lot_id=-3,
        related_transaction_id=-4,
        allocations=((-3, 150),),
    )
    transaction = shown(transaction_pb2.Transaction, put_transaction, preview)
    assert not {"transaction_id", "lot_id", "related_transaction_id"} & set(transaction)
    assert transaction["allocations"] == [{"amount": points("1.50")}]
    change = replace(samples.change, event_id=-5, lot_id=-3)
    assert not {"event_id", "lot_id"} & set(
        shown(expiry_change_pb2.ExpiryChange, put_expiry_change, change)
    )


def test_an_expire_that_settled_nothing(samples):
    """Where nothing was left there is no transaction, and zero was settled."""
    answer = Expired(None, 500, 0, samples.account, replayed=True)
    response = shown(expire_pb2.ExpireResponse, put_expired, answer, "demo")
    assert (response["requested"], response["settled"]) == (points("5.00"), points("0.00"))
    assert response["replayed"] is True
    assert "transaction" not in response


def test_expiring_points(samples):
    """The sum, the number of lots and the instant."""
    report = Expiring(samples.currency, 12345, 3, samples.now)
    assert shown(expiring_pb2.GetExpiringPointsResponse, put_expiring, report) == {
        "expiring_points": points("123.45"),
        "lot_count": "3",
        "as_of_time": NOW,
    }


def test_a_schedule(samples):
    """Months by year and month with their last day, then what inactivity would end."""
    month = ScheduleMonth(
        date(2031, 5, 1), date(2031, 5, 31), datetime(2031, 5, 31, tzinfo=UTC), 1, 200, 30, 4
    )
    entry = InactivityEntry("idle", 2, samples.now, samples.now, 0, 55)
    report = Schedule(
        samples.currency, (month, replace(month, expires_at=None)), (entry,), samples.now
    )
    response = shown(expiring_pb2.GetExpirationScheduleResponse, put_schedule, report)
    assert response["months"][0] == {
        "month": {"year": 2031, "month": 5},
        "last_day": {"year": 2031, "month": 5, "day": 31},
        "expire_time": "2031-05-31T00:00:00Z",
        "expired": points("0.01"),
        "expiring": points("2.00"),
        "redeemed": points("0.30"),
        "redeemed_from_lots": points("0.04"),
    }
    assert "expire_time" not in response["months"][1]
    assert response["inactivity"] == [
        {
            "policy": "idle",
            "policy_version": 2,
            "last_qualified_time": NOW,
            "expire_time": NOW,
            "expiring": points("0.55"),
        }
    ]
    assert response["as_of_time"] == NOW


def test_instants_before_the_epoch_and_at_it(samples):
    """Instants have their floor in seconds, and the epoch itself is set."""
    for at, text in (
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), "1969-12-31T23:59:59.500Z"),
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ):
        lot = shown(lot_pb2.Lot, put_lot, replace(samples.lot, earned_at=at))
        assert lot["earn_time"] == text
