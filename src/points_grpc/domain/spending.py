"""In which order points are taken from an account's lots."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from points_grpc.domain.model import LotState
from points_grpc.domain.state import AccountState, Lot, NeedMoreLots

_NEVER = datetime.max.replace(tzinfo=UTC)

SpendingKey = tuple[int, bool, datetime, datetime, int]


def spending_key(
    priority: int, expires_at: datetime | None, earned_at: datetime, lot_id: int
) -> SpendingKey:
    """Sorts lots as they are spent: priority (lowest first), soonest expiry, oldest, lowest id."""
    return (priority, expires_at is None, expires_at or _NEVER, earned_at, lot_id)


def allocate(account_state: AccountState, amount: int) -> list[tuple[Lot, int]]:
    """The lots, in spending order, that together give `amount`, each with its part.

    Every due lot has lapsed before. Raises NeedMoreLots when the order reaches beyond the
    lots that were loaded.
    """
    horizon = _horizon(account_state)
    candidates = sorted(
        (
            (
                spending_key(lot.priority, account_state.expiry_of(lot), lot.earned_at, lot.lot_id),
                lot,
            )
            for lot in account_state.lots.values()
            if lot.state is LotState.APPROVED and lot.remaining
        ),
        key=lambda pair: pair[0],
    )
    parts: list[tuple[Lot, int]] = []
    missing = amount
    for key, lot in candidates:
        if not missing:
            break
        if horizon is not None and key > horizon:
            raise NeedMoreLots(account_state.account.account_id)
        part = min(missing, lot.remaining)
        parts.append((lot, part))
        missing -= part
    if not missing:
        return parts
    if horizon is not None:
        raise NeedMoreLots(account_state.account.account_id)
    raise RuntimeError("an account has more available than its lots have left")


def is_within_reach(account_state: AccountState, amount: Decimal) -> bool:
    """Whether the live lots up to where loading stopped give `amount` of the smallest unit."""
    horizon = _horizon(account_state)
    reachable = 0
    for lot in account_state.lots.values():
        if lot.state is LotState.APPROVED and lot.remaining:
            at = account_state.expiry_of(lot)
            if at is not None and at <= account_state.now:
                continue
            key = spending_key(lot.priority, at, lot.earned_at, lot.lot_id)
            if horizon is None or key <= horizon:
                reachable += lot.remaining
    return reachable >= amount


def _horizon(account_state: AccountState) -> SpendingKey | None:
    """Up to where in spending order every lot is loaded; None: to the end."""
    return min(
        (
            spending_key(
                priority,
                account_state.projected_expiry(rule, earned_at) if rule else expires_at,
                earned_at,
                lot_id,
            )
            for rule, (
                priority,
                expires_at,
                earned_at,
                lot_id,
            ) in account_state.loaded_until.items()
        ),
        default=None,
    )
