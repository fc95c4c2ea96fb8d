"""Points earned, spent, lapsed, moved, approved and read, while the clock goes on."""

from __future__ import annotations

from typing import Any

from tests.support.golden.steps import Clock, Step, rpc

START = "2022-01-31T10:00:00Z"
P = "PointsService/"
ERIN = {"external_id": "erin"}
FRANK = {"external_id": "frank"}
TOKEN = "next_page_token"
BONUS = {"program_id": 123, "currency_code": "bonus_points"}


def points(value: str) -> dict[str, str]:
    """An amount."""
    return {"value": value}


def _earning() -> list[Step]:
    earn = P + "Earn"
    texts = {"reference": "order-1", "description": "Beans", "source": "shop", "reason": "sale"}
    lots: tuple[dict[str, Any], ...] = (
        {"expire_time": "2022-03-01T00:00:00Z"},
        {"expire_date": {"year": 2022, "month": 2, "day": 28}},
        {"days": 10},
        {"months": 1},
        {"never": True},
        {"policy": "year_end"},
        {"policy": "inactivity"},
        {"policy": "never"},
        {"earn_time": "2021-06-01T00:00:00Z"},
        {"earn_time": "2020-01-01T00:00:00Z", "days": 3},
        {"kind": "AWARD_KIND_POINT_AWARDED_LINEITEM", "vendor_id": 5001},
    )
    first = {"member": ERIN, "amount": points("100"), "request_id": "e-1"}
    refused: tuple[dict[str, Any], ...] = (
        {"amount": points("1.5")},
        {"amount": points("0")},
        {"amount": points("-3")},
        {"amount": points("x")},
        {"expire_time": "2022-01-31T09:59:59Z"},
        {"earn_time": "2022-02-01T00:00:00Z"},
        {"policy": "nothing"},
        {"currency_code": "NONE"},
        {"program_id": 9999},
        {"member": {"email": "nobody@example.com"}},
        {"member": {}},
        {"days": 0},
        {"vendor_id": 5001},
        {"request_id": "x" * 129},
        {"initial_state": "LOT_STATE_CLOSED"},
        {"member": {"member_id": 12}},
    )
    return [
        rpc(earn, **first, **texts, save={"first": "lot.lot_id"}),
        rpc(earn, **first, **texts),
        rpc(earn, **first | {"amount": points("101")}, **texts),
        rpc(earn, "reader", **first),
        rpc(earn, "acme", **first),
        *(rpc(earn, member=ERIN, amount=points("10"), **lot) for lot in lots),
        rpc(earn, member=ERIN, amount=points("7"), validate_only=True),
        rpc(earn, member=ERIN, amount=points("2.50"), **BONUS),
        *(rpc(earn, **({"member": ERIN, "amount": points("10")} | bad)) for bad in refused),
        rpc(P + "GetAccount", member=ERIN, save={"account": "account.account_id"}),
    ]


def _batches() -> list[Step]:
    batch = P + "BatchEarn"
    good = {"member": FRANK, "amount": points("40"), "request_id": "b-1", "days": 5}
    bad = {"member": FRANK, "amount": points("0.5")}
    other = {"member": {"external_id": "gina"}, "amount": points("3")}
    return [
        rpc(batch, earns=[good, other]),
        rpc(batch, earns=[good, bad, other], return_partial_success=True),
        rpc(batch, earns=[other, bad]),
        rpc(batch, earns=[good | {"amount": points("41")}, other], return_partial_success=True),
        rpc(batch, earns=[other | {"validate_only": True}], return_partial_success=True),
        rpc(batch, earns=[other, bad], validate_only=True, return_partial_success=True),
        rpc(batch),
    ]


def _spending() -> list[Step]:
    redeem, expire = P + "Redeem", P + "Expire"
    spend = {"member": ERIN, "amount": points("25"), "reference": "order-2", "request_id": "r-1"}
    return [
        rpc(redeem, **spend, description="Mug", save={"spent": "transaction.transaction_id"}),
        rpc(redeem, **spend, description="Mug"),
        rpc(redeem, **spend, description="Cup"),
        rpc(redeem, member=ERIN, amount=points("100000")),
        rpc(redeem, member=ERIN, amount=points("5"), validate_only=True),
        rpc(redeem, member={"external_id": "nobody"}, amount=points("5")),
        rpc(redeem, member=FRANK, amount=points("5"), **BONUS),
        rpc(redeem, member=ERIN, amount=points("0.5"), **BONUS),
        rpc(expire, member=ERIN, amount=points("4"), reason="asked for", request_id="x-1"),
        rpc(expire, member=ERIN, amount=points("4"), reason="asked for", request_id="x-1"),
        rpc(expire, member=FRANK, amount=points("1000"), require_full=True),
        rpc(expire, member={"external_id": "gina"}, amount=points("1000")),
        rpc(expire, member={"external_id": "gina"}, amount=points("1000")),
        rpc(expire, "", member=ERIN, amount=points("1")),
        rpc(P + "GetTransaction", transaction_id="$spent"),
        rpc(P + "GetTransaction", "acme", transaction_id="$spent"),
        rpc(P + "GetTransaction", transaction_id=3),
        rpc(P + "GetTransaction"),
        rpc(P + "ListAllocations", transaction_id="$spent", page_size=1, save={"rest": TOKEN}),
        rpc(P + "ListAllocations", transaction_id="$spent", page_token="$rest"),
        rpc(P + "ListAllocations", transaction_id="$first", page_token="$rest"),
        rpc(P + "ListAllocations", transaction_id="$first"),
        rpc(P + "ListAllocations", "acme", transaction_id="$spent"),
        rpc(P + "ListAllocations", transaction_id=3),
        rpc(P + "ListAllocations", transaction_id="$spent", page_size=-1),
    ]


def _states() -> list[Step]:
    earn, move, approve = P + "Earn", P + "UpdateTransactionStatus", P + "ApproveTransactions"
    waiting = {"member": FRANK, "amount": points("60"), "days": 30}
    is_open = waiting | {"initial_state": "LOT_STATE_OPEN"}
    pending = waiting | {"initial_state": "LOT_STATE_PENDING"}
    return [
        rpc(earn, **is_open, save={"open": "lot.lot_id"}),
        rpc(earn, **is_open, save={"closed": "lot.lot_id"}),
        rpc(earn, **pending, save={"pending": "lot.lot_id"}),
        rpc(earn, **pending, save={"lapsing": "lot.lot_id"}),
        rpc(P + "GetAccount", member=FRANK),
        rpc(move, transaction_id="$open", state="LOT_STATE_PENDING", request_id="s-1"),
        rpc(move, transaction_id="$open", state="LOT_STATE_PENDING", request_id="s-1"),
        rpc(move, transaction_id="$closed", state="LOT_STATE_CLOSED"),
        rpc(move, transaction_id="$closed", state="LOT_STATE_PENDING"),
        rpc(move, transaction_id="$open", state="LOT_STATE_APPROVED"),
        rpc(move, transaction_id="$spent", state="LOT_STATE_PENDING"),
        rpc(move, transaction_id=3, state="LOT_STATE_PENDING"),
        rpc(approve, transaction_ids=["$open"], state="LOT_STATE_APPROVED", request_id="a-1"),
        rpc(approve, transaction_ids=["$open"], state="LOT_STATE_APPROVED", request_id="a-1"),
        rpc(
            approve,
            transaction_ids=["$pending", "$open", "$closed", 3],
            state="LOT_STATE_APPROVED",
            return_partial_success=True,
        ),
        rpc(approve, transaction_ids=["$lapsing", "$closed"], state="LOT_STATE_CLOSED"),
        rpc(approve, state="LOT_STATE_APPROVED"),
        rpc(approve, "reader", transaction_ids=["$open"], state="LOT_STATE_APPROVED"),
    ]


def _moves() -> list[Step]:
    move = P + "UpdateExpiry"
    lot = {"member": ERIN, "lot_id": "$first"}
    meta = {
        "standard_meta": {"who_raised": "kim", "who_approved": "lee", "reason_for_trigger": "sale"},
        "custom_meta": {"b": [1, None, {"c": "d"}], "a": 1.5},
        "reason_note": "a note",
    }
    changes: tuple[dict[str, Any], ...] = (
        {"expire_time": "2022-06-01T00:00:00Z", "reason_type": "REASON_TYPE_EARLY_EXPIRY"},
        {"expire_time": "2022-05-01T00:00:00Z", "reason_type": "REASON_TYPE_EXTEND_EXPIRY"},
        {"expire_date": {"year": 2022, "month": 12, "day": 31}},
        {"months": 2, "category": "LOT_CATEGORY_PROMISED"},
        {"days": 20, "currency_code": "NONE"},
        {"never": True},
        {"expire_time": "2021-01-01T00:00:00Z"},
        {},
        {"kind": "AWARD_KIND_POINT_AWARDED_LINEITEM", "days": 3},
        {"months": 1, "member": FRANK},
        {"months": 1, "lot_id": 5001},
        {"immediate": True, "lot_id": 5001},
        {"months": 1, "lot_id": 5001},
        {"months": 1, "lot_id": 5001, "reinstate": True},
    )
    whole = {"updates": [lot | {"days": 40} | meta], "request_id": "u-1"}
    two = [lot | {"days": 50}, lot | {"days": 0}]
    return [
        rpc(move, **whole),
        rpc(move, **whole),
        rpc(move, updates=[lot | {"days": 41}], request_id="u-1"),
        *(rpc(move, updates=[lot | change]) for change in changes),
        rpc(move, updates=two),
        rpc(move, updates=two, return_partial_success=True),
        rpc(move, updates=[lot | {"days": 60}], validate_only=True),
        rpc(move),
        rpc(move, "reader", **whole),
        rpc(P + "GetLot", lot_id="$first"),
        rpc(P + "GetLot", member=ERIN, lot_id=5001),
        rpc(P + "GetLot", lot_id=5001),
        rpc(P + "GetLot", "acme", lot_id="$first"),
    ]


def _reads() -> list[Step]:
    period = {"start_time": "2022-02-01T00:00:00Z", "end_time": "2022-07-01T00:00:00Z"}
    expiring, schedule = P + "GetExpiringPoints", P + "GetExpirationSchedule"
    return [
        rpc(expiring, member=ERIN, **period),
        rpc(expiring, "reader", member=ERIN, **period),
        rpc(expiring, member={"external_id": "nobody"}, **period),
        rpc(expiring, member=ERIN, start_time="2022-02-01T00:00:00Z"),
        rpc(expiring, member=ERIN, start_time=period["end_time"], end_time=period["start_time"]),
        rpc(schedule, member=ERIN),
        rpc(schedule, member=ERIN, trailing_months=0, forward_months=1),
        rpc(schedule, member=ERIN, trailing_months=-1),
        rpc(schedule, member=FRANK),
        rpc(schedule, member={"external_id": "nobody"}),
        rpc(schedule, member=ERIN, **BONUS),
        rpc(P + "GetAccount", member=ERIN),
        rpc(P + "GetAccount", account_id="$account"),
        rpc(P + "GetAccount", account_id="$account", member=ERIN),
        rpc(P + "GetAccount", "acme", account_id="$account"),
        rpc(P + "GetAccount", member={"external_id": "nobody"}),
        rpc(P + "GetAccount"),
    ]


def _pages(method: str, **of: Any) -> list[Step]:
    """The first two pages of a listing, and its token with another query."""
    return [
        rpc(method, **of, page_size=3, save={"page": "next_page_token"}),
        rpc(method, **of, page_size=4, page_token="$page"),
        rpc(method, **(of | {"order_by": "nothing desc"}), page_token="$page"),
    ]


def _listings() -> list[Step]:
    lots, transactions, changes = P + "ListLots", P + "ListTransactions", P + "ListExpiryChanges"
    period = {"start_time": "2022-01-31T00:00:00Z", "end_time": "2022-02-01T00:00:00Z"}
    by_amount = {"types": ["TRANSACTION_TYPE_EARN"], "order_by": "amount desc"}
    return [
        rpc(lots, member=ERIN),
        *_pages(lots, member=ERIN, order_by="expire_time"),
        rpc(lots, member=ERIN, categories=["LOT_CATEGORY_PROMISED"]),
        rpc(lots, member=FRANK, states=["LOT_STATE_CLOSED", "LOT_STATE_APPROVED"]),
        rpc(lots, member=ERIN, reference="order-1", **period),
        rpc(lots),
        rpc(lots, member={"external_id": "nobody"}),
        rpc(transactions, member=ERIN),
        *_pages(transactions, member=ERIN),
        rpc(transactions, member=ERIN, types=["TRANSACTION_TYPE_EXPIRE"], **period),
        rpc(transactions, reference="order-2"),
        *_pages(transactions),
        *_pages(transactions, **by_amount),
        rpc(transactions, currency_code="POINTS", order_by="amount desc"),
        rpc(transactions, member=FRANK, states=["LOT_STATE_CLOSED"]),
        rpc(transactions, page_size=-1),
        rpc(transactions, "acme"),
        rpc(changes, member=ERIN),
        *_pages(changes, member=ERIN),
        rpc(changes, lot_id="$first"),
        rpc(changes, **period),
        rpc(changes, lot_id=3),
    ]


STORY: list[Step] = [
    *_earning(),
    *_batches(),
    *_spending(),
    *_states(),
    *_moves(),
    *_reads(),
    *_listings(),
    Clock("2022-02-10T23:59:58.999999Z"),
    *_reads(),
    Clock("2022-02-10T23:59:59Z"),
    *_reads(),
    Clock("2022-03-02T12:00:00Z"),
    *_spending(),
    *_states(),
    *_moves(),
    *_reads(),
    *_listings(),
    Clock("2023-01-01T00:00:00Z"),
    *_reads(),
    *_listings(),
]
