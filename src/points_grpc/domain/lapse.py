"""Lapse before you decide: expiries that have happened are recorded before anything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from points_grpc.domain.posting import lapse_lots
from points_grpc.domain.state import AccountState, ChangeSet, Lot


def may_be_due(next_due_at: datetime | None, now: datetime) -> bool:
    """Whether an account with this bound may have lots to lapse at `now`."""
    return next_due_at is not None and next_due_at <= now


def lapse_due(change_set: ChangeSet, account_state: AccountState) -> int:
    """End every lot of the account whose expiry has come; returns how many.

    One EXPIRE per instant, in the order of the instants, and a CLOSE for each unapproved lot.
    Afterwards the account's bound is exact again.
    """
    account = account_state.account
    if not may_be_due(account.next_due_at, account_state.now):
        return 0
    change_set.track(account)
    due: dict[datetime, list[Lot]] = {}
    to_come = [account_state.next_fixed_due_at] if account_state.next_fixed_due_at else []
    for lot in account_state.lots.values():
        if not lot.unfinished:
            continue
        at = account_state.expiry_of(lot)
        if at is None:
            continue
        if at <= account_state.now:
            due.setdefault(at, []).append(lot)
        else:
            to_come.append(at)
    lapse_lots_due(change_set, account_state, due)
    account.next_due_at = min(to_come, default=None)
    return sum(map(len, due.values()))


def lapse_lots_due(
    change_set: ChangeSet, account_state: AccountState, due: Mapping[datetime, Iterable[Lot]]
) -> None:
    """End the lots that have lapsed at each instant, the earliest first."""
    for at in sorted(due):
        lapse_lots(change_set, account_state, sorted(due[at], key=_by_id), at)


def _by_id(lot: Lot) -> int:
    return lot.lot_id
