"""Earn, Redeem, Expire and changes of state: what they say, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from points.v1 import earn_pb2, expire_pb2, redeem_pb2, transaction_status_pb2
from points_grpc.domain.commands import ChangeLotState, Earn, Expire, MemberName, Redeem
from points_grpc.domain.model import AwardKind, LotState
from points_grpc.domain.policy import ExpireAt, ExpireOn, InDays, InMonths, Never
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.commands import (
    read_approvals,
    read_earn,
    read_earn_item,
    read_expire,
    read_redeem,
    read_status_update,
)

CUST = MemberName("external_id", "cust-1")
LAST_SECOND = 253402300799


def earn(**fields):
    """An acceptable Earn with those fields."""
    whole = {"member": {"external_id": "cust-1"}, "amount": {"value": "5"}, **fields}
    return earn_pb2.EarnRequest(**whole)


def test_an_earn_says_all_it_can():
    """Every field of an EarnRequest arrives in the command."""
    message = earn(
        program_id=469, currency_code="POINTS", amount={"value": "12.50"}, request_id="r-1",
        reference="order-1", description="thanks", source="shop", reason="bought", kind=3,
        initial_state=2, policy="yearly", earn_time=Timestamp(seconds=1, nanos=1999), days=30,
        vendor_id=7,
    )  # fmt: skip
    assert read_earn(message) == Earn(
        program_id=469, member=CUST, currency="POINTS", amount=Decimal("12.50"), request_id="r-1",
        reference="order-1", description="thanks", source="shop", reason="bought",
        kind=AwardKind.POINT_AWARDED_LINEITEM, initial_state=LotState.PENDING, policy="yearly",
        earn_at=datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC), expiration=InDays(30), vendor_id=7,
    )  # fmt: skip


def test_an_earn_may_say_little():
    """What an EarnRequest leaves out has its default; the policy decides the expiry."""
    assert read_earn(earn()) == Earn(0, CUST, None, Decimal(5))


def test_redeem_and_expire_say_all_they_can():
    """Every field of a RedeemRequest and an ExpireRequest arrives in the command."""
    both = {
        "program_id": 469, "member": {"external_id": "cust-1"}, "currency_id": 9,
        "amount": {"value": "5"}, "request_id": "r-1", "description": "d",
    }  # fmt: skip
    redeem = redeem_pb2.RedeemRequest(reference="order-1", **both)
    assert read_redeem(redeem) == Redeem(469, CUST, 9, Decimal(5), "r-1", "order-1", "d")
    expire = expire_pb2.ExpireRequest(reason="why", require_full=True, **both)
    assert read_expire(expire) == Expire(469, CUST, 9, Decimal(5), "r-1", "d", "why", True)


@pytest.mark.parametrize(
    ("fields", "expiration"),
    [
        ({"days": 1}, InDays(1)),
        ({"days": 36_500}, InDays(36_500)),
        ({"months": 1}, InMonths(1)),
        ({"months": 1200}, InMonths(1200)),
        ({"never": True}, Never()),
        ({"expire_date": {"year": 2032, "month": 2, "day": 29}}, ExpireOn(date(2032, 2, 29))),
        (
            {"expire_time": Timestamp(seconds=LAST_SECOND, nanos=999_999_999)},
            ExpireAt(datetime.max.replace(tzinfo=UTC)),
        ),
        (
            {"expire_time": Timestamp(seconds=-62135596800)},
            ExpireAt(datetime.min.replace(tzinfo=UTC)),
        ),
        (
            {"expire_time": Timestamp(seconds=-1, nanos=999_999_999)},
            ExpireAt(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ),
    ],
)
def test_expirations_up_to_their_limits(fields, expiration):
    """Each kind of expiration is read up to its limits, an instant to the microsecond below."""
    assert read_earn(earn(**fields)).expiration == expiration


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 36_501}, "days"),
        ({"days": -1}, "days"),
        ({"months": 0}, "months"),
        ({"months": 1201}, "months"),
        ({"never": False}, "never"),
        ({"expire_date": {"year": 2031, "month": 2, "day": 29}}, "expire_date"),
        ({"expire_date": {"year": 0, "month": 2, "day": 1}}, "expire_date"),
        ({"expire_date": {"year": 2031, "month": 0, "day": 1}}, "expire_date"),
        ({"expire_date": {"year": 2031, "month": 2, "day": 0}}, "expire_date"),
        ({"expire_date": {"year": 10000, "month": 1, "day": 1}}, "expire_date"),
        ({"expire_date": {"year": 2**31 - 1, "month": -(2**31), "day": 1}}, "expire_date"),
        ({"expire_date": {}}, "expire_date"),
        ({"expire_time": Timestamp(seconds=LAST_SECOND + 1)}, "expire_time"),
        ({"expire_time": Timestamp(seconds=-62135596801)}, "expire_time"),
        ({"expire_time": Timestamp(nanos=10**9)}, "expire_time"),
        ({"expire_time": Timestamp(nanos=-1)}, "expire_time"),
        ({"earn_time": Timestamp(nanos=-1)}, "earn_time"),
        ({"program_id": -1}, "program_id"),
        ({"vendor_id": -1}, "vendor_id"),
        ({"vendor_id": 2**46}, "vendor_id"),
        ({"vendor_id": 2**46 - 1}, "(none)"),
        ({"kind": 5}, "(none)"),
        ({"kind": 6}, "kind"),
        ({"kind": -1}, "kind"),
        ({"initial_state": 1}, "(none)"),
        ({"initial_state": 4}, "initial_state"),
        ({"initial_state": 5}, "initial_state"),
        ({"currency_code": ""}, "currency_code"),
        ({"currency_code": "c" * 64}, "(none)"),
        ({"currency_code": "c" * 65}, "currency_code"),
        ({"currency_id": 0}, "currency_id"),
        ({"currency_id": -1}, "currency_id"),
        ({"validate_only": True}, "(none)"),
    ],
)
def test_bad_fields_of_an_earn(field_at_fault, fields, field):
    """What is out of range is refused under its own path; what is just in range is not."""
    assert field_at_fault(read_earn, earn(**fields)) == field


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("request_id", 128),
        ("reference", 256),
        ("description", 1024),
        ("source", 64),
        ("reason", 1024),
        ("policy", 64),
    ],
)
def test_texts_of_an_earn(field_at_fault, name, most):
    """Texts are limited in characters, not bytes, and must not contain NUL."""
    assert field_at_fault(read_earn, earn(**{name: "🎈" * most})) == "(none)"
    assert field_at_fault(read_earn, earn(**{name: "x" * (most + 1)})) == name
    assert field_at_fault(read_earn, earn(**{name: "a\0b"})) == name


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.000001", Decimal("0.000001")),
        ("1e15", Decimal(10**15)),
        ("+5.", Decimal(5)),
        (".5", Decimal("0.5")),
        ("1000000000000000", Decimal(10**15)),
        ("2.5E-3", Decimal("0.0025")),
    ],
)
def test_amounts_that_can_be_read(text, amount):
    """Positive decimals up to 10^15 are read exactly, in any form of google.type.Decimal."""
    assert read_earn(earn(amount={"value": text})).amount == amount


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "-0", "0e9", "-1", "1000000000000000.000001", "1e16", "9e999", "NaN", "Infinity",
        "1,5", " 1", "1 ", "0x1", "1_000", "٣", "1e1000", "--1", ".", "e5", "1\0", "1" * 41,
    ],
)  # fmt: skip
def test_bad_amounts(field_at_fault, text):
    """Zero, negative, too large and malformed amounts are refused under `amount`."""
    message = earn(amount={"value": text})
    assert field_at_fault(read_earn, message) == "amount"
    redeem = redeem_pb2.RedeemRequest(member=message.member, amount=message.amount)
    assert field_at_fault(read_redeem, redeem) == "amount"
    expire = expire_pb2.ExpireRequest(member=message.member, amount=message.amount)
    assert field_at_fault(read_expire, expire) == "amount"


@pytest.mark.parametrize("missing", ["member", "amount"])
def test_what_must_be_given(field_at_fault, missing):
    """Earn, Redeem and Expire need a member and an amount."""
    for kind, read in (
        (earn_pb2.EarnRequest, read_earn),
        (redeem_pb2.RedeemRequest, read_redeem),
        (expire_pb2.ExpireRequest, read_expire),
    ):
        message = kind(member={"external_id": "cust-1"}, amount={"value": "5"})
        message.ClearField(missing)
        assert field_at_fault(read, message) == missing


def test_validate_only_is_the_calls(field_at_fault):
    """An item of a BatchEarn must not say validate_only itself."""
    assert field_at_fault(read_earn_item, earn(validate_only=True)) == "validate_only"
    assert read_earn_item(earn()) == read_earn(earn())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"state": 2}, "(none)"),
        ({"state": 4}, "(none)"),
        ({"state": 0}, "state"),
        ({"state": 1}, "state"),
        ({"state": 3}, "state"),
        ({"state": 9}, "state"),
        ({"state": 2, "transaction_id": 0}, "transaction_id"),
        ({"state": 2, "transaction_id": -1}, "transaction_id"),
        ({"state": 2, "request_id": "r" * 129}, "request_id"),
    ],
)
def test_a_status_update_goes_to_pending_or_closed(field_at_fault, fields, field):
    """UpdateTransactionStatus takes PENDING and CLOSED and needs a transaction."""
    message = transaction_status_pb2.UpdateTransactionStatusRequest(
        **{"transaction_id": 2**46, **fields}
    )
    assert field_at_fault(read_status_update, message) == field


def test_a_status_update_says_all_it_can():
    """Every field of an UpdateTransactionStatusRequest arrives in the command."""
    message = transaction_status_pb2.UpdateTransactionStatusRequest(
        transaction_id=5, state=2, request_id="r"
    )
    assert read_status_update(message) == ChangeLotState(5, LotState.PENDING, False, "r")


@pytest.mark.parametrize(
    ("number", "state"), [(0, LotState.APPROVED), (3, LotState.APPROVED), (4, LotState.CLOSED)]
)
def test_approvals_go_to_approved_or_closed(number, state):
    """ApproveTransactions takes APPROVED, which is the default, and CLOSED."""
    message = transaction_status_pb2.ApproveTransactionsRequest(
        transaction_ids=[5, 6], state=number, request_id="r"
    )
    assert list(read_approvals(message)) == [
        ChangeLotState(5, state, True, "r"),
        ChangeLotState(6, state, True, "r"),
    ]


@pytest.mark.parametrize("number", [1, 2, 5])
def test_approvals_go_nowhere_else(field_at_fault, number):
    """Any other state refuses the whole call."""
    message = transaction_status_pb2.ApproveTransactionsRequest(transaction_ids=[5], state=number)
    assert field_at_fault(read_approvals, message) == "state"


def test_an_approval_of_nothing_or_twice_the_same_is_refused():
    """An id that is not positive or that occurred before is refused in its place."""
    message = transaction_status_pb2.ApproveTransactionsRequest(transaction_ids=[5, 0, 6, 5, -1])
    kinds = [isinstance(item, InvalidField) for item in read_approvals(message)]
    assert kinds == [False, True, False, True, True]
