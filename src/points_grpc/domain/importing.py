"""What becomes of the rows of a file from another system, one by one, in the file's order.

A lot is posted as the engine would have posted it: its EARN, then a REDEEM and an EXPIRE for
what is gone. A row of history is posted by the functions that the engine's own decisions use.
What cannot be is refused (InvalidField) before anything is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from points_grpc.domain.books import Draft, ExpiryChange, Holding, Lot, Transaction
from points_grpc.domain.decisions import BALANCE_MAX
from points_grpc.domain.model import AwardKind, LotState, Policy, ReasonType, TransactionType
from points_grpc.domain.posting import (
    Texts,
    approve_lot,
    close_lot,
    due_no_later_than,
    end_lots,
    expire_from,
    note_activity,
    post,
    redeem_from,
    reinstate,
    submit_lot,
)
from points_grpc.errors import InvalidField


@dataclass(slots=True)
class LotRow:
    """A lot as a file gives it; amounts in the smallest unit, instants in UTC.

    `rule` and `expires_at` are those that the lot has from the start. Without an instant an
    end is dated by `open_lot`'s rule. `earned_at` never lies in the future.
    """

    policy: Policy
    rule: int
    amount: int
    remaining: int
    redeemed: int
    expired: int
    earned_at: datetime
    expires_at: datetime | None
    state: LotState = LotState.APPROVED
    kind: AwardKind = AwardKind.POINT_AWARDED
    vendor_id: int = 0
    redeemed_at: datetime | None = None
    expired_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(slots=True)
class HistoryRow:
    """A transaction as a file gives it; `at` is when it took effect.

    `parts` are the allocations of a REDEEM, EXPIRE or REVERSE; of the others the one lot and
    its amount, 0 where the file gives none. `lapse` tells an expiry that ended its lots.
    """

    type: TransactionType
    parts: Sequence[tuple[Lot, int]]
    at: datetime
    lapse: bool = False
    reverses: int = 0


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


def split_amount(
    amount: int,
    remaining: int | None,
    redeemed: int | None,
    expired: int | None,
    rest_expired: bool = False,
) -> tuple[int, int, int]:
    """What remains, was redeemed and has expired, where some of these are not told.

    What remains is all that is not told to be gone. What is gone and not told how was redeemed,
    or expired with `rest_expired`, or where only the other one is told. Refuses (InvalidField)
    parts that do not make up the amount.
    """
    if remaining is None:
        remaining = amount - (redeemed or 0) - (expired or 0)
    gone = amount - remaining
    if gone < 0:
        raise InvalidField("remaining", "must not exceed the amount")
    if redeemed is None and expired is None:
        redeemed, expired = (0, gone) if rest_expired else (gone, 0)
    elif redeemed is None:
        redeemed = gone - (expired or 0)
    elif expired is None:
        expired = gone - redeemed
    if remaining < 0 or redeemed < 0 or (expired or 0) < 0 or redeemed + (expired or 0) != gone:
        raise InvalidField("amount", "must be the sum of remaining, redeemed and expired")
    return remaining, redeemed, expired or 0


def check_lot(row: LotRow, holding: Holding) -> None:
    """Refuse (InvalidField) a lot that could never have come to be."""
    if row.state is not LotState.APPROVED:
        left = 0 if row.state is LotState.CLOSED else row.amount
        if (row.redeemed, row.expired) != (0, 0) or row.remaining not in (left, row.amount):
            raise InvalidField("state", "has nothing redeemed or expired, and is whole or closed")
    if row.expires_at is not None and row.expires_at <= row.earned_at:
        raise InvalidField("expires_at", "must be later than earned_at")
    account = holding.account
    if account.total_earned + account.pending + row.amount > BALANCE_MAX:
        raise InvalidField("amount", "would take the account beyond what it can hold")


def open_lot(draft: Draft, holding: Holding, row: LotRow, **texts: Unpack[Texts]) -> Lot:
    """Post a lot that `check_lot` has passed, and what became of it.

    A redemption without an instant is dated at the earn. So is an expiry, unless the lot's own
    has passed, which is then the instant; where such an expiry left nothing, it ended the lot.
    What has lapsed and is not told to be gone lapses when the account is next touched.
    """
    account, last_at = holding.account, holding.account.last_at
    first_state = LotState.OPEN if row.state is LotState.CLOSED else row.state
    lot = Lot(
        lot_id=draft.new_id(account.account_id),
        account_id=account.account_id,
        member_id=account.member_id,
        currency_id=account.currency_id,
        vendor_id=row.vendor_id,
        kind=row.kind,
        state=first_state,
        policy_version_id=row.policy.policy_version_id,
        rule=row.rule,
        priority=row.policy.priority,
        amount=row.amount,
        remaining=row.amount,
        earned_at=row.earned_at,
        expires_at=row.expires_at,
        state_at=holding.now,
        stored=False,
    )
    draft.touch(account)
    if first_state is LotState.APPROVED:
        account.available += row.amount
        account.total_earned += row.amount
        note_activity(holding, TransactionType.EARN, row.earned_at)
    else:
        account.pending += row.amount
    post(
        draft,
        holding,
        TransactionType.EARN,
        row.amount,
        effective_at=row.earned_at,
        transaction_id=lot.lot_id,
        first_state=first_state,
        expires_at=holding.expiry_of(lot),
        **texts,
    )
    draft.add_lot(holding, lot)
    _end_parts(draft, holding, row, lot)
    account.last_at = max(account.last_at, last_at)
    if lot.unfinished:
        due_no_later_than(holding, holding.expiry_of(lot))
    return lot


def _end_parts(draft: Draft, holding: Holding, row: LotRow, lot: Lot) -> None:
    """What is gone of a lot that was just earned."""
    if row.state is LotState.CLOSED:
        close_lot(draft, holding, lot, effective_at=row.closed_at or row.earned_at)
    if row.redeemed:
        at = row.redeemed_at or row.earned_at
        redeem_from(draft, holding, [(lot, row.redeemed)], effective_at=at)
    if row.expired:
        lapsed_at = row.expires_at
        if lapsed_at is not None and lapsed_at > (row.expired_at or holding.now):
            lapsed_at = None
        if lapsed_at is not None and not row.remaining:
            end_lots(draft, holding, [lot], lapsed_at)
        else:
            at = row.expired_at or lapsed_at or row.earned_at
            expire_from(draft, holding, [(lot, row.expired)], effective_at=at)


_PROMISED = (LotState.OPEN, LotState.PENDING)


def replay(draft: Draft, holding: Holding, row: HistoryRow, **texts: Unpack[Texts]) -> Transaction:
    """Post a row of history. Refuses (InvalidField) one that does not follow from those before."""
    account, last_at = holding.account, holding.account.last_at
    if row.type in (TransactionType.SUBMIT, TransactionType.APPROVE, TransactionType.CLOSE):
        _move_state(draft, holding, row, texts)
    elif row.type is TransactionType.REVERSE:
        _reverse(draft, holding, row, texts)
    else:
        _take(draft, holding, row, texts)
    for lot, _ in row.parts:
        if lot.unfinished:
            due_no_later_than(holding, holding.expiry_of(lot))
    account.last_at = max(account.last_at, last_at)
    return draft.facts.transactions[-1]


def _move_state(draft: Draft, holding: Holding, row: HistoryRow, texts: Texts) -> None:
    ((lot, amount),) = row.parts
    allowed = (LotState.OPEN,) if row.type is TransactionType.SUBMIT else _PROMISED
    if lot.state not in allowed:
        raise InvalidField("transaction", f"cannot follow: the lot is {lot.state.name}")
    if amount not in (0, lot.remaining):
        raise InvalidField("amount", "must be the lot's")
    if row.type is TransactionType.SUBMIT:
        submit_lot(draft, holding, lot, **texts)
    elif row.type is TransactionType.APPROVE:
        approve_lot(draft, holding, lot, **texts)
    else:
        close_lot(draft, holding, lot, effective_at=row.at, **texts)
        if row.lapse:
            lot.expires_at = row.at
        else:
            note_activity(holding, TransactionType.CLOSE, holding.now)


def _take(draft: Draft, holding: Holding, row: HistoryRow, texts: Texts) -> None:
    for lot, part in row.parts:
        if lot.state is not LotState.APPROVED:
            raise InvalidField("allocations", "must be of approved lots")
        if part > lot.remaining or (row.lapse and part != lot.remaining):
            raise InvalidField("allocations", "must be what the lots have left")
    if row.type is TransactionType.REDEEM:
        redeem_from(draft, holding, row.parts, effective_at=row.at, **texts)
    elif row.lapse:
        end_lots(draft, holding, [lot for lot, _ in row.parts], row.at, **texts)
    else:
        expire_from(draft, holding, row.parts, effective_at=row.at, **texts)


def _reverse(draft: Draft, holding: Holding, row: HistoryRow, texts: Texts) -> None:
    if len(row.parts) != 1:
        raise InvalidField("allocations", "must be of one lot")
    ((lot, part),) = row.parts
    if lot.lapse_id != row.reverses or part > lot.expired:
        raise InvalidField("reverses", "must be the EXPIRE that ended the lot")
    lot.lapsed = part
    reinstate(draft, holding, lot, **texts)


def replay_change(draft: Draft, holding: Holding, row: ChangeRow) -> ExpiryChange:
    """Record an expiry change and move the lot. Refuses (InvalidField) one of a finished lot."""
    lot, account = row.lot, holding.account
    if not lot.unfinished and (lot.expires_at is None or lot.expires_at != row.new):
        raise InvalidField("lot", "is finished")
    draft.touch(account)
    draft.touch(lot)
    lot.rule = 0
    lot.expires_at = row.new
    if lot.unfinished:
        due_no_later_than(holding, row.new)
    account.version += 1
    account.last_at = max(account.last_at, holding.now)
    change = ExpiryChange(
        event_id=draft.new_id(account.account_id),
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
        principal=draft.principal,
        request_id=row.request_id,
        created_at=holding.now,
    )
    draft.facts.changes.append(change)
    return change
