"""Resources as callers see them, made from the state that decisions work on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.model import (
    ExpirationCause,
    ExpirationSource,
    LotState,
    PolicyKind,
    Program,
    TransactionType,
)
from points_grpc.domain.policy import fixed_expiry
from points_grpc.domain.results import (
    AccountView,
    ExpiryChangeView,
    LotView,
    Owner,
    TransactionView,
)
from points_grpc.domain.state import Account, Allocation, ExpiryChange, Lot, Transaction

_OF_A_LOT = (TransactionType.SUBMIT, TransactionType.APPROVE, TransactionType.CLOSE)


def balance_change(transaction: Transaction) -> int:
    """Return by how much a transaction changed the balance (available plus held)."""
    match transaction.type:
        case TransactionType.EARN:
            return transaction.amount if transaction.first_state is LotState.APPROVED else 0
        case TransactionType.APPROVE | TransactionType.REVERSE:
            return transaction.amount
        case TransactionType.REDEEM | TransactionType.EXPIRE:
            return -transaction.amount
        case _:
            return 0


def view_account(owner: Owner, account: Account, next_expires_at: datetime | None) -> AccountView:
    """The account's figures as they stand."""
    return AccountView(
        owner=owner,
        available=account.available,
        pending=account.pending,
        held=account.held,
        total_earned=account.total_earned,
        total_redeemed=account.total_redeemed,
        total_expired=account.total_expired,
        version=account.version,
        next_expires_at=next_expires_at,
        created_at=account.created_at,
        updated_at=account.last_at,
    )


def view_lot(
    owner: Owner,
    lot: Lot,
    expires_at: datetime | None,
    program: Program,
    earn: Transaction,
    *,
    source: ExpirationSource,
) -> LotView:
    """The lot as it stands; its texts are its EARN's."""
    policy = program.versions[lot.policy_version_id]
    return LotView(
        owner=owner,
        lot_id=lot.lot_id,
        vendor_id=lot.vendor_id,
        kind=lot.kind,
        state=lot.state,
        amount=lot.amount,
        remaining=lot.remaining,
        policy=policy.code,
        policy_version=policy.version,
        expiration_source=source,
        earned_at=lot.earned_at,
        expires_at=expires_at,
        reference=earn.reference,
        description=earn.description,
        source=earn.source,
    )


def view_transaction(
    owner: Owner,
    row: Transaction,
    allocations: Iterable[Allocation] = (),
    *,
    state: LotState = LotState.APPROVED,
    updated_at: datetime | None = None,
    cause: ExpirationCause | None = None,
    allocation_count: int = 0,
) -> TransactionView:
    """A ledger row; for an EARN `state` and `updated_at` are its lot's, for an EXPIRE its cause.

    `allocation_count` 0: `allocations` are all.
    """
    parts = tuple((a.lot_id, a.amount) for a in allocations)
    balance = row.available_after + row.held_after
    lot_id = 0
    if row.type is TransactionType.EARN:
        lot_id = row.transaction_id
    elif row.type in _OF_A_LOT:
        lot_id = row.related_id
    return TransactionView(
        owner=owner,
        transaction_id=row.transaction_id,
        type=row.type,
        state=state,
        amount=row.amount,
        balance_before=balance - balance_change(row),
        balance_after=balance,
        lot_id=lot_id,
        allocations=parts,
        source=row.source,
        reason=row.reason,
        description=row.description,
        reference=row.reference,
        request_id=row.request_id,
        related_transaction_id=row.related_id,
        expires_at=row.expires_at,
        created_at=row.created_at,
        updated_at=updated_at or row.created_at,
        effective_at=row.effective_at,
        principal=row.principal,
        expiration_cause=cause,
        allocation_count=allocation_count or len(parts),
    )


def view_change(owner: Owner, row: ExpiryChange, lot: Lot) -> ExpiryChangeView:
    """A change of `lot`'s expiry."""
    return ExpiryChangeView(
        owner=owner,
        event_id=row.event_id,
        lot_id=row.lot_id,
        lot_vendor_id=lot.vendor_id,
        kind=lot.kind,
        old_expires_at=row.old_expires_at,
        new_expires_at=row.new_expires_at,
        reason_type=row.reason_type,
        reason_note=row.reason_note,
        standard_meta=row.standard_meta,
        custom_meta=row.custom_meta,
        principal=row.principal,
        event_at=row.created_at,
        request_id=row.request_id,
    )


def expiration_source(program: Program, lot: Lot, has_expiry_change: bool) -> ExpirationSource:
    """Return where the lot's expiry comes from; `has_expiry_change`: it has an ExpiryChange.

    An expiry that was given with the earn and is the policy's own counts as the policy's.
    """
    if has_expiry_change:
        return ExpirationSource.UPDATE
    if lot.rule:
        return ExpirationSource.POLICY
    policy = program.versions[lot.policy_version_id]
    if policy.kind is PolicyKind.INACTIVITY:
        return ExpirationSource.EARN
    try:
        is_policys = fixed_expiry(policy, program.zone, lot.earned_at) == lot.expires_at
    except OutOfCalendar:
        is_policys = False
    return ExpirationSource.POLICY if is_policys else ExpirationSource.EARN


def how_lot_ended(lot: Lot) -> str:
    """Return how a finished lot has ended: CLOSED, LAPSED, EXPIRED (on demand) or USED_UP.

    One of which a part was expired on demand and the rest was spent is EXPIRED.
    """
    if lot.state is LotState.CLOSED:
        return "CLOSED"
    if lot.lapse_id:
        return "LAPSED"
    return "EXPIRED" if lot.expired else "USED_UP"
