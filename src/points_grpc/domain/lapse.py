"""Lapse before you decide: expiries that have happened are recorded before anything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from points_grpc.domain.posting import end_lots
from points_grpc.domain.state import Draft, Holding, Lot


def may_be_due(next_due_at: datetime | None, now: datetime) -> bool:
    """Whether an account with this bound may have lots to lapse at `now`."""
    return next_due_at is not None and next_due_at <= now


def lapse_due(draft: Draft, holding: Holding) -> int:
    """End every lot of the account whose expiry has come; returns how many.

    One EXPIRE per instant, in the order of the instants, and a CLOSE for each unapproved lot.
    Afterwards the account's bound is exact again.
    """
    account = holding.account
    if not may_be_due(account.next_due_at, holding.now):
        return 0
    draft.touch(account)
    due: dict[datetime, list[Lot]] = {}
    to_come = [holding.next_fixed_due_at] if holding.next_fixed_due_at else []
    for lot in holding.lots.values():
        if not lot.unfinished:
            continue
        at = holding.expiry_of(lot)
        if at is None:
            continue
        if at <= holding.now:
            due.setdefault(at, []).append(lot)
        else:
            to_come.append(at)
    end_due(draft, holding, due)
    account.next_due_at = min(to_come, default=None)
    return sum(map(len, due.values()))


def end_due(draft: Draft, holding: Holding, due: Mapping[datetime, Iterable[Lot]]) -> None:
    """End the lots that have lapsed at each instant, the earliest first."""
    for at in sorted(due):
        end_lots(draft, holding, sorted(due[at], key=_by_id), at)


def _by_id(lot: Lot) -> int:
    return lot.lot_id
