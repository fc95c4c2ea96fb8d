"""What becomes of history in a file from another system: each row follows from those before.

A row is posted by the functions that the engine's own decisions use. What cannot be is refused
(InvalidField) before anything is touched, but for lapses that were due to be recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from points_grpc.domain.imports.lots import OUTSIDE_LIFE, ImportAccount, lapse_before, recording
from points_grpc.domain.model import LotState, ReasonType, TransactionType
from points_grpc.domain.posting import (
    TransactionTexts,
    approve_lot,
    close_lot,
    expire_from,
    lapse_lots,
    lower_due_bound,
    record_activity,
    redeem_from,
    reinstate,
    submit_lot,
)
from points_grpc.domain.state import AccountState, ChangeSet, ExpiryChange, Lot, Transaction
from points_grpc.errors import InvalidField


@dataclass(slots=True)
class HistoryRow:
    """A transaction as a file gives it; `at` is when it took effect.

    `parts` are the allocations of a REDEEM, EXPIRE or REVERSE; of the others the one lot and
    its amount, 0 where the file gives none. `lapse` tells an expiry that ended its lots.
    `undone` are lots whose lapse was recorded before this REDEEM or EXPIRE was known; it is taken
    back.
    """

    type: TransactionType
    parts: Sequence[tuple[Lot, int]]
    at: datetime
    lapse: bool = False
    reverses: int = 0
    undone: Collection[int] = ()


@dataclass(slots=True)
class ChangeRow:
    """An expiry change as a file gives it; None as an expiry means never."""

    lot: Lot
    old: datetime | None
    new: datetime | None
    reason_type: ReasonType | None
    note: str
    meta: tuple[str, str, str]
    custom_meta: str
    request_id: str
    undone: bool = False


_PROMISED = (LotState.OPEN, LotState.PENDING)
_STEPS = (TransactionType.SUBMIT, TransactionType.APPROVE, TransactionType.CLOSE)


def replay_transaction(
    change_set: ChangeSet,
    account_state: ImportAccount,
    row: HistoryRow,
    **texts: Unpack[TransactionTexts],
) -> Transaction:
    """Post a row of history. Refuses (InvalidField) one that does not follow from those before."""
    _check(account_state, row)
    for kind, at in _activity_in(account_state, row):
        if lapse_before(change_set, account_state, kind, at):
            _check(account_state, row)
    for lot, _ in row.parts:
        if lot.lot_id in row.undone:
            _take_back(change_set, account_state, lot)
    account, last_at = account_state.account, account_state.account.last_at
    if row.type in _STEPS:
        _change_lot_state(change_set, account_state, row, texts)
    elif row.type is TransactionType.REVERSE:
        _reverse(change_set, account_state, row, texts)
    else:
        _take(change_set, account_state, row, texts)
    for lot, _ in row.parts:
        if lot.unfinished:
            lower_due_bound(account_state.account, account_state.expiry_of(lot))
    account.last_at = max(account.last_at, last_at)
    return change_set.entries.transactions[-1]


def _check(account_state: AccountState, row: HistoryRow) -> None:
    if row.type in _STEPS:
        _check_step(row)
    elif row.type is TransactionType.REVERSE:
        _check_reversal(row)
    else:
        _check_parts(account_state, row)


def _activity_in(
    account_state: AccountState, row: HistoryRow
) -> list[tuple[TransactionType, datetime]]:
    """Return the activity that the row counts as for inactivity policies."""
    if row.type is TransactionType.EXPIRE or (row.type is TransactionType.CLOSE and row.lapse):
        return []
    if row.type is TransactionType.REDEEM:
        return [(row.type, row.at)]
    if row.type is TransactionType.APPROVE:
        return [(TransactionType.EARN, account_state.now), (row.type, account_state.now)]
    return [(row.type, account_state.now)]


def _check_step(row: HistoryRow) -> None:
    ((lot, amount),) = row.parts
    allowed = (LotState.OPEN,) if row.type is TransactionType.SUBMIT else _PROMISED
    if lot.state not in allowed:
        raise InvalidField("transaction", f"cannot follow: the lot is {lot.state.name}")
    if amount not in (0, lot.remaining):
        raise InvalidField("amount", "must be the lot's")


def _change_lot_state(
    change_set: ChangeSet, account_state: AccountState, row: HistoryRow, texts: TransactionTexts
) -> None:
    ((lot, _),) = row.parts
    if row.type is TransactionType.SUBMIT:
        submit_lot(change_set, account_state, lot, **texts)
    elif row.type is TransactionType.APPROVE:
        approve_lot(change_set, account_state, lot, **texts)
    else:
        close_lot(change_set, account_state, lot, effective_at=row.at, **texts)
        if row.lapse:
            lot.expires_at = row.at
        else:
            record_activity(account_state.account, TransactionType.CLOSE, account_state.now)


def _check_parts(account_state: AccountState, row: HistoryRow) -> None:
    for lot, part in row.parts:
        if lot.state is not LotState.APPROVED:
            raise InvalidField("allocations", "must be of approved lots")
        undone = lot.lot_id in row.undone
        left = lot.remaining + (lot.lapsed if undone else 0)
        if part > left or (row.lapse and part != left):
            raise InvalidField("allocations", "must be what the lots have left")
        if undone and lot.rule:
            ends_at: datetime | None = account_state.projected_expiry(lot.rule, lot.earned_at)
        else:
            ends_at = account_state.expiry_of(lot)
        if row.at < lot.earned_at or (ends_at is not None and _is_late(row, ends_at)):
            raise InvalidField("effective_at", OUTSIDE_LIFE)


def _is_late(row: HistoryRow, ends_at: datetime) -> bool:
    """Whether a lot with that expiry could no longer be taken from; a lapse says itself when."""
    if row.type is TransactionType.REDEEM:
        return row.at >= ends_at
    return row.at > ends_at and not row.lapse


def _take(
    change_set: ChangeSet, account_state: AccountState, row: HistoryRow, texts: TransactionTexts
) -> None:
    if row.type is TransactionType.REDEEM:
        redeem_from(change_set, account_state, row.parts, effective_at=row.at, **texts)
    elif row.lapse:
        lapse_lots(change_set, account_state, [lot for lot, _ in row.parts], row.at, **texts)
    else:
        expire_from(change_set, account_state, row.parts, effective_at=row.at, **texts)


def _check_reversal(row: HistoryRow) -> None:
    if len(row.parts) != 1:
        raise InvalidField("allocations", "must be of one lot")
    ((lot, part),) = row.parts
    if lot.lapse_id != row.reverses or part > lot.expired:
        raise InvalidField("reverses", "must be the EXPIRE that ended the lot")


def _reverse(
    change_set: ChangeSet, account_state: AccountState, row: HistoryRow, texts: TransactionTexts
) -> None:
    ((lot, part),) = row.parts
    lot.lapsed = part
    reinstate(change_set, account_state, lot, **texts)
    _follow_again(lot)


def _follow_again(lot: Lot) -> None:
    """Undo what a lapse has done to the expiry of a lot that followed its account's activity."""
    if lot.rule:
        lot.expires_at = None


def replay_change(
    change_set: ChangeSet, account_state: ImportAccount, row: ChangeRow
) -> ExpiryChange:
    """Record an expiry change and move the lot. Refuses (InvalidField) one of a finished lot."""
    lot, account = row.lot, account_state.account
    if row.undone:
        _take_back(change_set, account_state, lot)
    if not lot.unfinished and (lot.expires_at is None or lot.expires_at != row.new):
        raise InvalidField("lot", "is finished")
    change_set.track(account)
    change_set.track(lot)
    lot.rule = 0
    lot.expires_at = row.new
    if lot.unfinished:
        lower_due_bound(account_state.account, row.new)
    account.version += 1
    account.last_at = max(account.last_at, account_state.now)
    change = ExpiryChange(
        event_id=change_set.new_id(account.account_id),
        account_id=account.account_id,
        currency_id=account.currency_id,
        version=account.version,
        lot_id=lot.lot_id,
        old_expires_at=row.old,
        new_expires_at=row.new,
        reason_type=row.reason_type,
        reason_note=row.note,
        standard_meta=row.meta,
        custom_meta=row.custom_meta,
        principal=change_set.principal,
        request_id=row.request_id,
        created_at=account_state.now,
    )
    change_set.entries.changes.append(change)
    return change


# Lapses that were recorded before all of the history was known


def is_same_end(row: HistoryRow) -> bool:
    """Whether the row is the lapse that has ended its lots already: as much, at that instant."""
    return (row.type, row.lapse) == (TransactionType.EXPIRE, True) and all(
        lot.lapse_id == row.parts[0][0].lapse_id and lot.expires_at == row.at and lot.lapsed == part
        for lot, part in row.parts
    )


def _take_back(change_set: ChangeSet, account_state: ImportAccount, lot: Lot) -> None:
    """Reverse a lapse that was recorded before more of the lot's history was known."""
    with recording(change_set, account_state):
        lapse_before(change_set, account_state, TransactionType.REVERSE, account_state.now)
        reinstate(change_set, account_state, lot)
    _follow_again(lot)
