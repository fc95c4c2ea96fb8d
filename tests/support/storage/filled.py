"""A database that is filled for its plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from points_grpc.domain.model import AwardKind, LotState, TransactionType
from points_grpc.domain.state import Account, Allocation, ExpiryChange, Lot, Transaction
from points_grpc.storage.core.ids import BUCKETS
from points_grpc.storage.ledger import (
    accounts,
    expiry_changes,
    former_identifiers,
    lots,
    members,
    requests,
    transactions,
)
from points_grpc.storage.transfer import imports

NOW = datetime(2031, 5, 6, tzinfo=UTC)


DAY = timedelta(days=1)


LOTS_EACH = 4


IDLE_RULE = 77


def number(kind: int, member: int, place: int = 0) -> int:
    """An id of ours in the member's bucket."""
    return (2**40 + kind * 10**7 + member * 100 + place) * BUCKETS + member % BUCKETS


def account_of(member: int) -> Account:
    return Account(
        tenant_id=1,
        account_id=number(1, member),
        program_id=469,
        member_id=number(0, member),
        currency_id=7,
        created_at=NOW,
        last_at=NOW,
        available=400,
        total_earned=400,
        version=LOTS_EACH,
        next_due_at=NOW + DAY * (member % 300),
    )


def lot_of(member: int, place: int) -> Lot:
    idle = place == 3
    return Lot(
        lot_id=number(2, member, place),
        account_id=number(1, member),
        member_id=number(0, member),
        currency_id=7,
        vendor_id=place + 1 if member % 2 else 0,
        kind=AwardKind.POINT_AWARDED,
        state=LotState.APPROVED,
        policy_version_id=IDLE_RULE if idle else 76,
        rule=IDLE_RULE if idle else 0,
        priority=0,
        amount=100,
        remaining=100,
        earned_at=NOW,
        expires_at=None if idle else NOW + DAY * (place + member % 300),
        state_at=NOW,
    )


def transaction_of(member: int, place: int) -> Transaction:
    return Transaction(
        transaction_id=number(2, member, place),
        account_id=number(1, member),
        currency_id=7,
        version=place + 1,
        type=TransactionType.EARN,
        amount=100,
        available_after=100,
        pending_after=0,
        held_after=0,
        principal="p",
        effective_at=NOW,
        created_at=NOW,
        first_state=LotState.APPROVED,
    )


def change_of(member: int) -> ExpiryChange:
    return ExpiryChange(
        event_id=number(3, member),
        account_id=number(1, member),
        currency_id=7,
        version=50,
        lot_id=number(2, member),
        old_expires_at=None,
        new_expires_at=NOW,
        reason_type=None,
        reason_note="",
        standard_meta=("", "", ""),
        custom_meta="",
        principal="p",
        request_id="",
        created_at=NOW,
    )


def request_of(member: int) -> requests.RequestRow:
    return (member % BUCKETS, 1, member.to_bytes(16, "big"), b"f", b"a", NOW)


def add(connection: Connection, range_of_members: range) -> None:
    """Everything of these members."""
    some = list(range_of_members)
    names = [(1, "external_id", f"m{m}", number(0, m)) for m in some]
    members.insert_identifiers(connection, names)
    members.insert_members(connection, [(1, number(0, m), None, f"m{m}", NOW) for m in some])
    for *name, member_id in names[:50]:
        former_identifiers.add(connection, (name[0], name[1], name[2]), member_id + 64, NOW)
    accounts.insert(connection, [account_of(m) for m in some])
    pairs = [(m, place) for m in some for place in range(LOTS_EACH)]
    lots.insert(connection, [(1, lot_of(*pair)) for pair in pairs])
    transactions.insert(connection, [(1, transaction_of(*pair)) for pair in pairs])
    parts = [Allocation(number(2, m, place), number(2, m, place), 1) for m, place in pairs]
    transactions.insert_allocations(connection, [(1, part) for part in parts])
    expiry_changes.insert(connection, [(1, change_of(m)) for m in some])
    requests.insert(connection, sorted(request_of(m) for m in some))
    keys = [((number(0, m), f"row-{m}"), (imports.LOT, number(2, m))) for m in some]
    imports.insert_keys(connection, 1, keys)
