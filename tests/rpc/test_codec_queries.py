"""Reads and listings: what they ask, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from points.v1 import expiring_pb2, listing_pb2, lookup_pb2
from points_grpc.domain.commands import MemberName
from points_grpc.domain.model import LotCategory, LotState, TransactionType
from points_grpc.domain.queries import (
    GetAccount,
    GetExpiring,
    GetLot,
    GetSchedule,
    ListExpiryChanges,
    ListLots,
    ListTransactions,
    Order,
)
from points_grpc.rpc.codec.queries import (
    read_get_account,
    read_get_expiring,
    read_get_lot,
    read_get_schedule,
    read_get_transaction,
    read_list_expiry_changes,
    read_list_lots,
    read_list_transactions,
    read_page_size,
)

CUST = MemberName("external_id", "cust-1")
MEMBER = {"external_id": "cust-1"}
START = datetime(2024, 2, 29, tzinfo=UTC)


def stamp(at):
    """A Timestamp."""
    message = Timestamp()
    message.FromDatetime(at)
    return message


def expiring(start, end):
    """A GetExpiringPoints of that period."""
    return expiring_pb2.GetExpiringPointsRequest(
        member=MEMBER,
        start_time=None if start is None else stamp(start),
        end_time=None if end is None else stamp(end),
    )


def test_a_period_is_half_open_and_may_be_empty():
    """The period arrives as it was sent, also where it has no length."""
    message = expiring(START, START)
    assert read_get_expiring(message) == GetExpiring(0, CUST, None, START, START)


TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        (START, START - TICK, "end_time"),
        (START, datetime(2034, 3, 1, tzinfo=UTC), "(none)"),
        (START, datetime(2034, 3, 1, tzinfo=UTC) + TICK, "end_time"),
        (START + timedelta(1), datetime(2034, 3, 1, tzinfo=UTC), "(none)"),
        (START + timedelta(1), datetime(2034, 3, 1, tzinfo=UTC) + TICK, "end_time"),
        (datetime(9995, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC), "(none)"),
        (None, START, "start_time"),
        (START, None, "end_time"),
    ],
)
def test_periods_are_in_order_and_at_most_ten_years(field_at_fault, start, end, field):
    """A period ends no earlier than it starts and no later than ten years after that."""
    assert field_at_fault(read_get_expiring, expiring(start, end)) == field


@pytest.mark.parametrize("bound", ["start_time", "end_time"])
def test_the_ends_of_a_period_are_instants(field_at_fault, bound):
    """A Timestamp out of range is refused under its own path."""
    message = expiring(START, START)
    getattr(message, bound).nanos = 10**9
    assert field_at_fault(read_get_expiring, message) == bound


@pytest.mark.parametrize(
    ("fields", "months"),
    [
        ({}, (3, 6)),
        ({"trailing_months": 0, "forward_months": 0}, (0, 0)),
        ({"trailing_months": 60, "forward_months": 60}, (60, 60)),
    ],
)
def test_a_schedule_has_three_and_six_months_unless_said(fields, months):
    """Months left out are 3 and 6, months said are taken, 0 too."""
    message = expiring_pb2.GetExpirationScheduleRequest(member=MEMBER, **fields)
    assert read_get_schedule(message) == GetSchedule(0, CUST, None, *months)


@pytest.mark.parametrize("field", ["trailing_months", "forward_months"])
@pytest.mark.parametrize("months", [-1, 61])
def test_a_schedule_has_at_most_sixty_months(field_at_fault, field, months):
    """Months are from 0 to 60."""
    message = expiring_pb2.GetExpirationScheduleRequest(member=MEMBER, **{field: months})
    assert field_at_fault(read_get_schedule, message) == field


def test_an_account_is_named_in_one_of_two_ways(field_at_fault):
    """An account is named by its id alone, or by member, program and currency."""
    request = lookup_pb2.GetAccountRequest
    assert read_get_account(request(account_id=5)) == GetAccount(account_id=5)
    named = request(member=MEMBER, program_id=469, currency_id=9)
    assert read_get_account(named) == GetAccount(469, CUST, 9)
    for extra in ({"member": MEMBER}, {"program_id": 1}, {"currency_code": ""}):
        assert field_at_fault(read_get_account, request(account_id=5, **extra)) == "account_id"
    assert field_at_fault(read_get_account, request(account_id=-5)) == "account_id"
    assert field_at_fault(read_get_account, request()) == "member"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"lot_id": 0}, "lot_id"),
        ({"lot_id": 2**46}, "(none)"),
        ({"lot_id": 2**46 - 1}, "member"),
        ({"lot_id": 2**46 - 1, "member": MEMBER}, "(none)"),
        ({"lot_id": 2**46, "program_id": -1}, "program_id"),
    ],
)
def test_a_vendors_lot_needs_its_member(field_at_fault, fields, field):
    """A lot id below 2^46 is a vendor's and unique per member only."""
    assert field_at_fault(read_get_lot, lookup_pb2.GetLotRequest(**fields)) == field


def test_a_lot_may_be_checked_against_its_member():
    """The member of a GetLot arrives in the query."""
    assert read_get_lot(lookup_pb2.GetLotRequest(lot_id=5, member=MEMBER)) == GetLot(5, CUST)


@pytest.mark.parametrize("transaction_id", [0, -1])
def test_a_transaction_needs_its_id(field_at_fault, transaction_id):
    """A transaction's id is positive."""
    message = lookup_pb2.GetTransactionRequest(transaction_id=transaction_id)
    assert field_at_fault(read_get_transaction, message) == "transaction_id"


# Listings


def test_listings_say_all_they_can():
    """Every field of the three listings arrives in the query."""
    end = START + timedelta(1)
    both = {
        "program_id": 469,
        "currency_code": "POINTS",
        "member": MEMBER,
        "start_time": stamp(START),
        "end_time": stamp(end),
        "page_size": 7,
    }
    assert read_list_transactions(
        listing_pb2.ListTransactionsRequest(
            states=[3, 1], types=[1], reference="r", order_by="amount desc", **both
        )
    ) == ListTransactions(
        469, CUST, "POINTS", frozenset((LotState.OPEN, LotState.APPROVED)),
        frozenset((TransactionType.EARN,)), "r", START, end, Order.LARGEST, 7,
    )  # fmt: skip
    assert read_list_lots(
        listing_pb2.ListLotsRequest(
            states=[4],
            categories=[2],
            reference="r",
            order_by="expire_time",
            live_only=True,
            **both,
        )
    ) == ListLots(
        469, CUST, "POINTS", frozenset((LotState.CLOSED,)), frozenset((LotCategory.PROMISED,)),
        "r", START, end, Order.EXPIRY, 7, live_only=True,
    )  # fmt: skip
    assert read_list_expiry_changes(
        listing_pb2.ListExpiryChangesRequest(lot_id=31, order_by="event_time", **both)
    ) == ListExpiryChanges(469, CUST, "POINTS", 31, START, end, Order.OLDEST, 7)


def test_listings_may_say_little():
    """What a listing leaves out does not select; the newest or next to be spent come first."""
    assert read_list_transactions(listing_pb2.ListTransactionsRequest()) == ListTransactions(
        0, None, None, order=Order.NEWEST, page_size=50
    )
    assert read_list_lots(listing_pb2.ListLotsRequest(member=MEMBER)) == ListLots(
        0, CUST, None, order=Order.SPENDING
    )
    changes = listing_pb2.ListExpiryChangesRequest(lot_id=2**46)
    assert read_list_expiry_changes(changes) == ListExpiryChanges(0, None, None, 2**46)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"states": [1, 5]}, "states[1]"),
        ({"states": [0]}, "states[0]"),
        ({"types": [10]}, "types[0]"),
        ({"types": [9]}, "(none)"),
        ({"types": [0]}, "types[0]"),
        ({"reference": "x" * 257}, "reference"),
        ({"page_size": -1}, "page_size"),
        ({"order_by": "create_time"}, "order_by"),
        ({"order_by": "create_time", "member": MEMBER}, "(none)"),
        ({"order_by": "amount desc"}, "order_by"),
        ({"order_by": "amount desc", "types": [1, 5]}, "order_by"),
        ({"order_by": "amount desc", "types": [1, 1]}, "(none)"),
        ({"order_by": "amount"}, "order_by"),
        ({"order_by": "spending"}, "order_by"),
        ({"start_time": stamp(START), "end_time": stamp(START)}, "(none)"),
        ({"start_time": stamp(START), "end_time": stamp(START - TICK)}, "end_time"),
        ({"start_time": stamp(START), "end_time": stamp(START.replace(year=2044))}, "(none)"),
        ({"start_time": Timestamp(nanos=-1)}, "start_time"),
    ],
)
def test_bad_listings_of_transactions(field_at_fault, fields, field):
    """Unknown enum values, orders that are not offered and bad bounds are refused."""
    message = listing_pb2.ListTransactionsRequest(**fields)
    assert field_at_fault(read_list_transactions, message) == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "(none)"),
        ({"member": {}}, "member"),
        ({"categories": [3]}, "categories[0]"),
        ({"order_by": "lot_id desc"}, "(none)"),
        ({"order_by": "lot_id"}, "order_by"),
    ],
)
def test_bad_listings_of_lots(field_at_fault, fields, field):
    """A listing of lots needs a member and one of its own orders."""
    message = listing_pb2.ListLotsRequest(**{"member": MEMBER, **fields})
    assert field_at_fault(read_list_lots, message) == field
    assert field_at_fault(read_list_lots, listing_pb2.ListLotsRequest()) == "member"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "member"),
        ({"lot_id": -1}, "lot_id"),
        ({"lot_id": 2**46}, "(none)"),
        ({"lot_id": 2**46 - 1}, "member"),
        ({"lot_id": 2**46 - 1, "member": MEMBER}, "(none)"),
        ({"member": MEMBER}, "(none)"),
        ({"member": MEMBER, "order_by": "event_time desc"}, "(none)"),
        ({"member": MEMBER, "order_by": "create_time"}, "order_by"),
    ],
)
def test_bad_listings_of_expiry_changes(field_at_fault, fields, field):
    """A listing of changes needs a member, or a lot by an id of ours."""
    message = listing_pb2.ListExpiryChangesRequest(**fields)
    assert field_at_fault(read_list_expiry_changes, message) == field


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)]
)
def test_page_sizes(asked, given):
    """No page size means 50, and no page has more than 1000 rows."""
    assert read_page_size(asked) == given
