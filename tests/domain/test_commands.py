"""What makes two requests the same request: the fingerprints of commands."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations

import pytest

from points_grpc.domain.commands import (
    ChangeLotState,
    Command,
    Earn,
    Expire,
    MemberName,
    Redeem,
    UpdateExpiry,
    content,
    fingerprint,
    member_by_id,
)
from points_grpc.domain.model import AwardKind, LotCategory, LotState, ReasonType
from points_grpc.domain.policy import ExpireAt, ExpireOn, Immediate, InDays, InMonths, Never

ANNA, AT = MemberName("external_id", "anna"), datetime(2025, 1, 2, tzinfo=UTC)
EARN = Earn(1, ANNA, None, Decimal(10))
REDEEM = Redeem(1, ANNA, None, Decimal(10))
EXPIRE = Expire(1, ANNA, None, Decimal(10))
MOVE = UpdateExpiry(1, ANNA, 9, InDays(3))
STATE = ChangeLotState(9, LotState.CLOSED, False)
PLAIN: list[Command] = [EARN, REDEEM, EXPIRE, MOVE, STATE]
OTHER: dict[str, object] = {
    "program_id": 2,
    "member": MemberName("username", "anna"),
    "currency": "POINTS",
    "amount": Decimal(11),
    "reference": "order",
    "description": "text",
    "source": "till",
    "reason": "birthday",
    "kind": AwardKind.POINT_AWARDED_LINEITEM,
    "initial_state": LotState.OPEN,
    "policy": "yearly",
    "earn_at": AT,
    "expiration": InMonths(3),
    "vendor_id": 4,
    "require_full": True,
    "lot_id": 10,
    "category": LotCategory.REGULAR,
    "reason_type": ReasonType.EARLY_EXPIRY,
    "reason_note": "note",
    "standard_meta": ("a", "", ""),
    "custom_meta": "{}",
    "reinstate": True,
    "transaction_id": 10,
    "state": LotState.APPROVED,
    "approving": True,
}
BOOKKEEPING = ("request_id", "index", "call_fingerprint")
CHANGES = [
    (command, f.name) for command in PLAIN for f in fields(command) if f.name not in BOOKKEEPING
]


@pytest.mark.parametrize(("command", "name"), CHANGES)
def test_every_field_counts(command: Command, name: str) -> None:
    """A request with any field changed is another request."""
    changed = replace(command, **{name: OTHER[name]})  # type: ignore[arg-type]
    assert fingerprint(changed) != fingerprint(command)


@pytest.mark.parametrize("command", PLAIN)
def test_request_id_does_not_count(command: Command) -> None:
    """A request's id is not part of its content."""
    assert fingerprint(replace(command, request_id="r1")) == fingerprint(command)


def test_index_does_not_count() -> None:
    """An item's place in its call is part of its key, not of its content."""
    assert fingerprint(replace(MOVE, index=7)) == fingerprint(MOVE)


def test_call_stands_for_its_items() -> None:
    """The fingerprint of a whole call, where there is one, is that of each of its items."""
    call = b"0123456789abcdef"
    assert fingerprint(replace(MOVE, call_fingerprint=call)) == call
    assert fingerprint(replace(MOVE, lot_id=10, call_fingerprint=call)) == call


@pytest.mark.parametrize("command", PLAIN)
def test_defaults_do_not_count(command: Command) -> None:
    """Only what differs from its default counts, so that new fields change nothing."""
    required = {f.name for f in fields(command) if f.default is MISSING}
    assert {name for name, _ in content(command)} == required  # type: ignore[misc]


def test_methods_differ() -> None:
    """The same fields asked of another method are another request."""
    assert len({fingerprint(command) for command in (EARN, REDEEM, EXPIRE)}) == 3


def test_what_equals_a_default_is_no_content() -> None:
    """A default counts as left out by its value, whichever object holds it."""
    same = replace(MOVE, standard_meta=tuple([""] * 3))
    assert fingerprint(same) == fingerprint(MOVE)


@pytest.mark.parametrize("same", ["10", "10.0", "10.000000", "1e1", "1E+1", "+10", "0010"])
def test_equal_amounts(same: str) -> None:
    """An amount counts by its value, however it is written."""
    assert fingerprint(replace(EARN, amount=Decimal(same))) == fingerprint(EARN)


@pytest.mark.parametrize("other", ["10.1", "100", "1", "-10", "10." + "0" * 36 + "1"])
def test_other_amounts(other: str) -> None:
    """Amounts that differ in any digit that can be written are different requests."""
    assert fingerprint(replace(EARN, amount=Decimal(other))) != fingerprint(EARN)


def test_expirations_differ() -> None:
    """Each kind of expiration and each value is a request of its own."""
    expirations = [
        *(None, Never(), Immediate(), InDays(1), InDays(2), InMonths(1), InMonths(2)),
        *(ExpireOn(date(2025, 1, 2)), ExpireOn(date(2025, 1, 3)), ExpireAt(AT)),
        ExpireAt(AT.replace(microsecond=1)),
    ]
    for one, other in combinations(expirations, 2):
        earns = replace(EARN, expiration=one), replace(EARN, expiration=other)
        assert fingerprint(earns[0]) != fingerprint(earns[1])


def test_currency_by_code_or_id() -> None:
    """A currency's code that looks like an id is not that id."""
    by_code, by_id = replace(EARN, currency="3"), replace(EARN, currency=3)
    assert fingerprint(by_code) != fingerprint(by_id)


ERIN = MemberName("email", "erin@example.com")

STORED_FINGERPRINTS = [
    (EARN, "63214a5d1e7d51a1a04b735e0de7279a"),
    (
        Redeem(469, ERIN, None, Decimal(3)),
        "7e7fd74869d42aa3ba27f718350292c8",
    ),
    (
        Expire(469, ERIN, 7, Decimal(3), require_full=True),
        "8b4f8c208b3695ff1150b49093a7af72",
    ),
    (
        UpdateExpiry(469, ERIN, 11, InDays(30), reason_note="late"),
        "459a2cf927e499577f84cdfc0e8c6127",
    ),
    (ChangeLotState(11, LotState.APPROVED, approving=True), "ddafb9a1720f04ffa93b0ced5612242f"),
]


@pytest.mark.parametrize(("command", "stored"), STORED_FINGERPRINTS)
def test_kept_across_releases(command: Command, stored: str) -> None:
    """A fingerprint stays what it was, or retries over an upgrade would be refused."""
    assert fingerprint(command).hex() == stored
    assert len(fingerprint(command)) == 16


@pytest.mark.parametrize(
    ("member_id", "kind"),
    [(1, "vendor_id"), (2**46 - 1, "vendor_id"), (2**46, "member_id"), (2**53, "member_id")],
)
def test_member_by_id(member_id: int, kind: str) -> None:
    """An id below 2^46 is a vendor's, one from 2^46 on is ours."""
    assert member_by_id(member_id) == MemberName(kind, str(member_id))
