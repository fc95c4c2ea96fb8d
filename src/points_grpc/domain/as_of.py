"""An account and its lots as of now: lapses count whether or not they are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from points_grpc.domain.model import ExpirationCause, LotState, TransactionType
from points_grpc.domain.results import AccountView, LotView, TransactionView
from points_grpc.domain.schedule import ProjectedLots
from points_grpc.domain.state import Allocation, Holding, Lot, Transaction
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
    holding: Holding, fixed: FixedLots, projected: Sequence[ProjectedLots]
) -> AccountView:
    """The account's figures at the holding's `now`; its next expiry is exact."""
    account, now = holding.account, holding.now
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
    view = view_account(holding.owner, account, next_expires_at)
    if not account.account_id:
        return replace(view, created_at=None, updated_at=None)
    return replace(
        view,
        available=view.available - lapsed,
        total_expired=view.total_expired + lapsed,
        pending=view.pending - lapsed_pending,
    )


def lot_now(holding: Holding, lot: Lot) -> Lot:
    """The lot at the holding's `now`: nothing is left of a lapsed one, an unapproved one closed."""
    expires_at = holding.expiry_of(lot)
    if not lot.unfinished or expires_at is None or expires_at > holding.now:
        return lot
    if lot.state is LotState.APPROVED:
        return replace(lot, remaining=0)
    return replace(lot, state=LotState.CLOSED, remaining=0, state_at=expires_at)


def view_lot_now(holding: Holding, lot: Lot, earn: Transaction, is_moved: bool) -> LotView:
    """A lot as callers see it at the holding's `now`; `is_moved`: its expiry was changed."""
    lot = lot_now(holding, lot)
    source = expiration_source(holding.program, lot, is_moved)
    return view_lot(
        holding.owner, lot, holding.expiry_of(lot), holding.program, earn, source=source
    )


def view_transaction_now(
    holding: Holding,
    row: Transaction,
    lot: Lot | None,
    allocations: Sequence[Allocation],
    cause: ExpirationCause | None = None,
    *,
    allocation_count: int = 0,
) -> TransactionView:
    """A ledger row as callers see it at the holding's `now`; an EARN shows its lot's state."""
    if row.type is not TransactionType.EARN or lot is None:
        return view_transaction(
            holding.owner, row, allocations, cause=cause, allocation_count=allocation_count
        )
    lot = lot_now(holding, lot)
    return view_transaction(holding.owner, row, state=lot.state, updated_at=lot.state_at)
