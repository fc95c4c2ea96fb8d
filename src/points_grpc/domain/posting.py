"""The few ways in which points move; everything that is decided is made of these.

Each changes lots and account together and posts one transaction that says so, so that the
account's figures, its lots and its transactions cannot part.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict, Unpack

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.state import Account, AccountState, Allocation, ChangeSet, Lot, Transaction


class TransactionTexts(TypedDict, total=False):
    """What the caller wrote on a transaction."""

    request_id: str
    reference: str
    source: str
    reason: str
    description: str


def post(
    change_set: ChangeSet,
    account_state: AccountState,
    kind: TransactionType,
    amount: int,
    *,
    effective_at: datetime | None = None,
    transaction_id: int = 0,
    related_id: int = 0,
    first_state: LotState | None = None,
    expires_at: datetime | None = None,
    **texts: Unpack[TransactionTexts],
) -> Transaction:
    """Add a transaction with the account's figures as they now are."""
    account = account_state.account
    bump_version(account, account_state.now)
    row = Transaction(
        transaction_id=transaction_id or change_set.new_id(account.account_id),
        account_id=account.account_id,
        currency_id=account.currency_id,
        version=account.version,
        type=kind,
        amount=amount,
        available_after=account.available,
        pending_after=account.pending,
        held_after=account.held,
        principal=change_set.principal,
        effective_at=effective_at or account_state.now,
        created_at=account_state.now,
        related_id=related_id,
        first_state=first_state,
        expires_at=expires_at,
        **texts,
    )
    change_set.entries.transactions.append(row)
    return row


def bump_version(account: Account, now: datetime) -> None:
    """Give the account the version of what is being recorded of it."""
    account.version += 1
    account.last_at = now


def count_earn(account: Account, amount: int, at: datetime) -> None:
    """Add an approved award to the account's figures."""
    account.available += amount
    account.total_earned += amount
    record_activity(account, TransactionType.EARN, at)


def count_redemption(account: Account, amount: int, at: datetime) -> None:
    """Take what is spent out of the account's figures."""
    account.available -= amount
    account.total_redeemed += amount
    record_activity(account, TransactionType.REDEEM, at)


def record_activity(account: Account, kind: TransactionType, at: datetime) -> None:
    """Remember that the account was active, for inactivity policies; never earlier than known."""
    activity = account.activity
    if kind not in activity or activity[kind] < at:
        account.activity = {**activity, kind: at}


def lower_due_bound(account: Account, at: datetime | None) -> None:
    """Lower the account's bound on its next due instant to `at`."""
    if at is not None and (account.next_due_at is None or at < account.next_due_at):
        account.next_due_at = at


def redeem_from(
    change_set: ChangeSet,
    account_state: AccountState,
    parts: Sequence[tuple[Lot, int]],
    effective_at: datetime | None = None,
    **texts: Unpack[TransactionTexts],
) -> Transaction:
    """Spend each lot's part; now, unless it is history that says when it was."""
    change_set.track(account_state.account)
    for lot, part in parts:
        change_set.track(lot)
        lot.remaining -= part
        lot.redeemed += part
    amount = sum(part for _, part in parts)
    count_redemption(account_state.account, amount, effective_at or account_state.now)
    row = post(
        change_set,
        account_state,
        TransactionType.REDEEM,
        amount,
        effective_at=effective_at,
        **texts,
    )
    _allocate(change_set, row, parts)
    return row


def expire_from(
    change_set: ChangeSet,
    account_state: AccountState,
    parts: Sequence[tuple[Lot, int]],
    effective_at: datetime | None = None,
    **texts: Unpack[TransactionTexts],
) -> Transaction:
    """Expire each lot's part."""
    change_set.track(account_state.account)
    for lot, part in parts:
        change_set.track(lot)
        lot.remaining -= part
        lot.expired += part
    amount = sum(part for _, part in parts)
    account_state.account.available -= amount
    account_state.account.total_expired += amount
    row = post(
        change_set,
        account_state,
        TransactionType.EXPIRE,
        amount,
        effective_at=effective_at,
        **texts,
    )
    _allocate(change_set, row, parts)
    return row


def lapse_lots(
    change_set: ChangeSet,
    account_state: AccountState,
    lots: Sequence[Lot],
    at: datetime,
    **texts: Unpack[TransactionTexts],
) -> None:
    """End lots whose expiry is `at`: what remains of approved ones expires, others close.

    The lots keep `at` as their expiry, so that later activity cannot revive them.
    """
    approved = [lot for lot in lots if lot.state is LotState.APPROVED]
    if approved:
        parts = [(lot, lot.remaining) for lot in approved]
        row = expire_from(change_set, account_state, parts, effective_at=at, **texts)
        for lot, part in parts:
            lot.expires_at = at
            lot.lapse_id = row.transaction_id
            lot.lapsed = part
    for lot in lots:
        if lot.state is not LotState.APPROVED:
            close_lot(change_set, account_state, lot, effective_at=at, **texts)
            lot.expires_at = at


def reinstate(
    change_set: ChangeSet, account_state: AccountState, lot: Lot, **texts: Unpack[TransactionTexts]
) -> None:
    """Give a lapsed lot back what its lapse took; counts in the month of the lapse."""
    change_set.track(account_state.account)
    change_set.track(lot)
    amount = lot.lapsed
    lot.remaining += amount
    lot.expired -= amount
    account_state.account.available += amount
    account_state.account.total_expired -= amount
    record_activity(account_state.account, TransactionType.REVERSE, account_state.now)
    row = post(
        change_set,
        account_state,
        TransactionType.REVERSE,
        amount,
        effective_at=lot.expires_at,
        related_id=lot.lapse_id,
        **texts,
    )
    _allocate(change_set, row, [(lot, amount)])
    lot.lapse_id = lot.lapsed = 0


def close_lot(
    change_set: ChangeSet,
    account_state: AccountState,
    lot: Lot,
    effective_at: datetime | None = None,
    **texts: Unpack[TransactionTexts],
) -> None:
    """Cancel an unapproved lot for good."""
    change_set.track(account_state.account)
    change_set.track(lot)
    amount = lot.remaining
    lot.state = LotState.CLOSED
    lot.state_at = account_state.now
    lot.remaining = 0
    account_state.account.pending -= amount
    post(
        change_set,
        account_state,
        TransactionType.CLOSE,
        amount,
        effective_at=effective_at,
        related_id=lot.lot_id,
        **texts,
    )


def submit_lot(
    change_set: ChangeSet, account_state: AccountState, lot: Lot, **texts: Unpack[TransactionTexts]
) -> None:
    """Move an open lot to pending."""
    change_set.track(account_state.account)
    change_set.track(lot)
    lot.state = LotState.PENDING
    lot.state_at = account_state.now
    record_activity(account_state.account, TransactionType.SUBMIT, account_state.now)
    post(
        change_set,
        account_state,
        TransactionType.SUBMIT,
        lot.remaining,
        related_id=lot.lot_id,
        **texts,
    )


def approve_lot(
    change_set: ChangeSet, account_state: AccountState, lot: Lot, **texts: Unpack[TransactionTexts]
) -> None:
    """Make an unapproved lot spendable; its earn counts as activity from now."""
    change_set.track(account_state.account)
    change_set.track(lot)
    amount = lot.remaining
    lot.state = LotState.APPROVED
    lot.state_at = account_state.now
    account_state.account.pending -= amount
    count_earn(account_state.account, amount, account_state.now)
    record_activity(account_state.account, TransactionType.APPROVE, account_state.now)
    post(change_set, account_state, TransactionType.APPROVE, amount, related_id=lot.lot_id, **texts)


def _allocate(change_set: ChangeSet, row: Transaction, parts: Sequence[tuple[Lot, int]]) -> None:
    change_set.entries.allocations += [
        Allocation(row.transaction_id, lot.lot_id, part) for lot, part in parts
    ]
