"""An account and its lots as of now: lapses count whether or not they are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from points_grpc.domain.model import ExpirationCause, LotState, TransactionType
from points_grpc.domain.results import AccountView, LotView, TransactionView
from points_grpc.domain.schedule import ProjectedLots
from points_grpc.domain.state import AccountState, Allocation, Lot, Transaction
from points_grpc.domain.views import expiration_source, view_account, view_lot, view_transaction


@dataclass(frozen=True, slots=True)
class FixedLots:
    """How an account's unfinished fixed lots stand, in the currency's smallest unit.

    `lapsed` and `lapsed_pending` are what is left of approved and of unapproved lots whose
    expiry has come. `next_expires_at` is the soonest expiry of the live approved ones.
    """

    lapsed: int = 0
    lapsed_pending: int = 0
    next_expires_at: datetime | None = None


def account_now(
    account_state: AccountState, fixed: FixedLots, projected: Sequence[ProjectedLots]
) -> AccountView:
    """Return the account's figures as of `account_state.now`; its next expiry is exact."""
    account, now = account_state.account, account_state.now
    lapsed, lapsed_pending, next_expires_at = (
        fixed.lapsed,
        fixed.lapsed_pending,
        fixed.next_expires_at,
    )
    for group in projected:
        if group.expires_at > now:
            if group.lots.approved and (
                next_expires_at is None or group.expires_at < next_expires_at
            ):
                next_expires_at = group.expires_at
        elif group.lots.approved:
            lapsed += group.lots.remaining
        else:
            lapsed_pending += group.lots.remaining
    view = view_account(account_state.owner, account, next_expires_at)
    if not account.account_id:
        return replace(view, created_at=None, updated_at=None)
    return replace(
        view,
        available=view.available - lapsed,
        total_expired=view.total_expired + lapsed,
        pending=view.pending - lapsed_pending,
    )


def lot_now(account_state: AccountState, lot: Lot) -> Lot:
    """Return the lot as of `account_state.now`: empty if it has lapsed, closed if unapproved."""
    expires_at = account_state.expiry_of(lot)
    if not lot.unfinished or expires_at is None or expires_at > account_state.now:
        return lot
    if lot.state is LotState.APPROVED:
        return replace(lot, remaining=0)
    return replace(lot, state=LotState.CLOSED, remaining=0, state_at=expires_at)


def view_lot_now(
    account_state: AccountState, lot: Lot, earn: Transaction, has_expiry_change: bool
) -> LotView:
    """Return the lot as of `account_state.now`; `has_expiry_change`: it has an ExpiryChange."""
    lot = lot_now(account_state, lot)
    source = expiration_source(account_state.program, lot, has_expiry_change)
    return view_lot(
        account_state.owner,
        lot,
        account_state.expiry_of(lot),
        account_state.program,
        earn,
        source=source,
    )


def view_transaction_now(
    account_state: AccountState,
    row: Transaction,
    lot: Lot | None,
    allocations: Sequence[Allocation],
    cause: ExpirationCause | None = None,
    *,
    allocation_count: int = 0,
) -> TransactionView:
    """Return a transaction as of `account_state.now`; an EARN shows its lot's state."""
    if row.type is not TransactionType.EARN or lot is None:
        return view_transaction(
            account_state.owner, row, allocations, cause=cause, allocation_count=allocation_count
        )
    lot = lot_now(account_state, lot)
    return view_transaction(account_state.owner, row, state=lot.state, updated_at=lot.state_at)
