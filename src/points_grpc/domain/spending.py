"""In which order points are taken from an account's lots."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from points_grpc.domain.model import LotState
from points_grpc.domain.state import Holding, Lot, NeedMoreLots

_NEVER = datetime.max.replace(tzinfo=UTC)

SpendingKey = tuple[int, bool, datetime, datetime, int]


def spending_key(
    priority: int, expires_at: datetime | None, earned_at: datetime, lot_id: int
) -> SpendingKey:
    """Sorts lots as they are spent: priority (lowest first), soonest expiry, oldest, lowest id."""
    return (priority, expires_at is None, expires_at or _NEVER, earned_at, lot_id)


def take(holding: Holding, amount: int) -> list[tuple[Lot, int]]:
    """The lots, in spending order, that together give `amount`, each with its part.

    Every due lot has lapsed before. Raises NeedMoreLots when the order reaches beyond the
    lots that were loaded.
    """
    horizon = _horizon(holding)
    candidates = sorted(
        (
            (spending_key(lot.priority, holding.expiry_of(lot), lot.earned_at, lot.lot_id), lot)
            for lot in holding.lots.values()
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
            raise NeedMoreLots(holding.account.account_id)
        part = min(missing, lot.remaining)
        parts.append((lot, part))
        missing -= part
    if not missing:
        return parts
    if horizon is not None:
        raise NeedMoreLots(holding.account.account_id)
    raise RuntimeError("an account has more available than its lots have left")


def is_within_reach(holding: Holding, amount: Decimal) -> bool:
    """Whether the live lots up to where loading stopped give `amount` of the smallest unit."""
    horizon = _horizon(holding)
    reachable = 0
    for lot in holding.lots.values():
        if lot.state is LotState.APPROVED and lot.remaining:
            at = holding.expiry_of(lot)
            if at is not None and at <= holding.now:
                continue
            key = spending_key(lot.priority, at, lot.earned_at, lot.lot_id)
            if horizon is None or key <= horizon:
                reachable += lot.remaining
    return reachable >= amount


def _horizon(holding: Holding) -> SpendingKey | None:
    """Up to where in spending order every lot is loaded; None: to the end."""
    return min(
        (
            spending_key(
                priority,
                holding.projected_expiry(rule, earned_at) if rule else expires_at,
                earned_at,
                lot_id,
            )
            for rule, (priority, expires_at, earned_at, lot_id) in holding.cut.items()
        ),
        default=None,
    )
