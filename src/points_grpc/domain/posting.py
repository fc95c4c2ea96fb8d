"""The few ways in which points move; everything that is decided is made of these.

Each changes lots and account together and posts one transaction that says so, so that the
account's figures, its lots and its transactions cannot part.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict, Unpack

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.state import Account, Allocation, Draft, Holding, Lot, Transaction


class Texts(TypedDict, total=False):
    """What the caller wrote on a transaction."""

    request_id: str
    reference: str
    source: str
    reason: str
    description: str


def post(
    draft: Draft,
    holding: Holding,
    kind: TransactionType,
    amount: int,
    *,
    effective_at: datetime | None = None,
    transaction_id: int = 0,
    related_id: int = 0,
    first_state: LotState | None = None,
    expires_at: datetime | None = None,
    **texts: Unpack[Texts],
) -> Transaction:
    """Add a transaction with the account's figures as they now are."""
    account = holding.account
    step(account, holding.now)
    row = Transaction(
        transaction_id=transaction_id or draft.new_id(account.account_id),
        account_id=account.account_id,
        currency_id=account.currency_id,
        version=account.version,
        type=kind,
        amount=amount,
        available_after=account.available,
        pending_after=account.pending,
        held_after=account.held,
        principal=draft.principal,
        effective_at=effective_at or holding.now,
        created_at=holding.now,
        related_id=related_id,
        first_state=first_state,
        expires_at=expires_at,
        **texts,
    )
    draft.facts.transactions.append(row)
    return row


def step(account: Account, now: datetime) -> None:
    """Give the account the version of what is being recorded of it."""
    account.version += 1
    account.last_at = now


def count_earn(account: Account, amount: int, at: datetime) -> None:
    """Add an approved award to the account's figures."""
    account.available += amount
    account.total_earned += amount
    note_activity(account, TransactionType.EARN, at)


def count_redemption(account: Account, amount: int, at: datetime) -> None:
    """Take what is spent out of the account's figures."""
    account.available -= amount
    account.total_redeemed += amount
    note_activity(account, TransactionType.REDEEM, at)


def note_activity(account: Account, kind: TransactionType, at: datetime) -> None:
    """Remember that the account was active, for inactivity policies; never earlier than known."""
    activity = account.activity
    if kind not in activity or activity[kind] < at:
        account.activity = {**activity, kind: at}


def due_no_later_than(account: Account, at: datetime | None) -> None:
    """Lower the account's bound on its next due instant to `at`."""
    if at is not None and (account.next_due_at is None or at < account.next_due_at):
        account.next_due_at = at


def redeem_from(
    draft: Draft,
    holding: Holding,
    parts: Sequence[tuple[Lot, int]],
    effective_at: datetime | None = None,
    **texts: Unpack[Texts],
) -> Transaction:
    """Spend each lot's part; now, unless it is history that says when it was."""
    draft.touch(holding.account)
    for lot, part in parts:
        draft.touch(lot)
        lot.remaining -= part
        lot.redeemed += part
    amount = sum(part for _, part in parts)
    count_redemption(holding.account, amount, effective_at or holding.now)
    row = post(draft, holding, TransactionType.REDEEM, amount, effective_at=effective_at, **texts)
    _allocate(draft, row, parts)
    return row


def expire_from(
    draft: Draft,
    holding: Holding,
    parts: Sequence[tuple[Lot, int]],
    effective_at: datetime | None = None,
    **texts: Unpack[Texts],
) -> Transaction:
    """Expire each lot's part."""
    draft.touch(holding.account)
    for lot, part in parts:
        draft.touch(lot)
        lot.remaining -= part
        lot.expired += part
    amount = sum(part for _, part in parts)
    holding.account.available -= amount
    holding.account.total_expired += amount
    row = post(draft, holding, TransactionType.EXPIRE, amount, effective_at=effective_at, **texts)
    _allocate(draft, row, parts)
    return row


def end_lots(
    draft: Draft,
    holding: Holding,
    lots: Sequence[Lot],
    at: datetime,
    **texts: Unpack[Texts],
) -> None:
    """End lots whose expiry is `at`: what remains of approved ones expires, others close.

    The lots keep `at` as their expiry, so that later activity cannot revive them.
    """
    approved = [lot for lot in lots if lot.state is LotState.APPROVED]
    if approved:
        parts = [(lot, lot.remaining) for lot in approved]
        row = expire_from(draft, holding, parts, effective_at=at, **texts)
        for lot, part in parts:
            lot.expires_at = at
            lot.lapse_id = row.transaction_id
            lot.lapsed = part
    for lot in lots:
        if lot.state is not LotState.APPROVED:
            close_lot(draft, holding, lot, effective_at=at, **texts)
            lot.expires_at = at


def reinstate(draft: Draft, holding: Holding, lot: Lot, **texts: Unpack[Texts]) -> None:
    """Give a lapsed lot back what its lapse took; counts in the month of the lapse."""
    draft.touch(holding.account)
    draft.touch(lot)
    amount = lot.lapsed
    lot.remaining += amount
    lot.expired -= amount
    holding.account.available += amount
    holding.account.total_expired -= amount
    note_activity(holding.account, TransactionType.REVERSE, holding.now)
    row = post(
        draft,
        holding,
        TransactionType.REVERSE,
        amount,
        effective_at=lot.expires_at,
        related_id=lot.lapse_id,
        **texts,
    )
    _allocate(draft, row, [(lot, amount)])
    lot.lapse_id = lot.lapsed = 0


def close_lot(
    draft: Draft,
    holding: Holding,
    lot: Lot,
    effective_at: datetime | None = None,
    **texts: Unpack[Texts],
) -> None:
    """Cancel an unapproved lot for good."""
    draft.touch(holding.account)
    draft.touch(lot)
    amount = lot.remaining
    lot.state = LotState.CLOSED
    lot.state_at = holding.now
    lot.remaining = 0
    holding.account.pending -= amount
    post(
        draft,
        holding,
        TransactionType.CLOSE,
        amount,
        effective_at=effective_at,
        related_id=lot.lot_id,
        **texts,
    )


def submit_lot(draft: Draft, holding: Holding, lot: Lot, **texts: Unpack[Texts]) -> None:
    """Move an open lot to pending."""
    draft.touch(holding.account)
    draft.touch(lot)
    lot.state = LotState.PENDING
    lot.state_at = holding.now
    note_activity(holding.account, TransactionType.SUBMIT, holding.now)
    post(draft, holding, TransactionType.SUBMIT, lot.remaining, related_id=lot.lot_id, **texts)


def approve_lot(draft: Draft, holding: Holding, lot: Lot, **texts: Unpack[Texts]) -> None:
    """Make an unapproved lot spendable; its earn counts as activity from now."""
    draft.touch(holding.account)
    draft.touch(lot)
    amount = lot.remaining
    lot.state = LotState.APPROVED
    lot.state_at = holding.now
    holding.account.pending -= amount
    count_earn(holding.account, amount, holding.now)
    note_activity(holding.account, TransactionType.APPROVE, holding.now)
    post(draft, holding, TransactionType.APPROVE, amount, related_id=lot.lot_id, **texts)


def _allocate(draft: Draft, row: Transaction, parts: Sequence[tuple[Lot, int]]) -> None:
    draft.facts.allocations += [
        Allocation(row.transaction_id, lot.lot_id, part) for lot, part in parts
    ]
