"""What becomes of the rows of a file from another system, one by one, in the file's order.

A lot is posted as the engine would have posted it: its EARN, then a REDEEM and an EXPIRE for
what is gone. What cannot be is refused (InvalidField) before anything is touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Unpack

from points_grpc.domain.decisions import BALANCE_MAX
from points_grpc.domain.lapse import lapse_lots_due
from points_grpc.domain.model import AwardKind, LotState, Policy, TransactionType
from points_grpc.domain.posting import (
    TransactionTexts,
    close_lot,
    count_earn,
    expire_from,
    lapse_lots,
    lower_due_bound,
    post,
    redeem_from,
)
from points_grpc.domain.state import Account, AccountState, ChangeSet, Lot
from points_grpc.errors import InvalidField


@dataclass(slots=True)
class ImportAccount(AccountState):
    """An account that a file adds to; `now` is the instant at which the row at hand was recorded.

    `lots` has what was there before the import began, follows an inactivity policy and has lapsed
    by `read_at`, which is when the account was read. Those in `imported_lot_ids` came from files;
    they may get history from before they lapsed. `recorder` is the principal of what the import
    itself records.
    """

    read_at: datetime = field(kw_only=True)
    recorder: str = field(kw_only=True)
    imported_lot_ids: Collection[int] = ()


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


def split_amount(
    amount: int,
    remaining: int | None,
    redeemed: int | None,
    expired: int | None,
    rest_expired: bool = False,
) -> tuple[int, int, int]:
    """Return (remaining, redeemed, expired), of which the row may leave some out.

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


def check_lot(row: LotRow, account_state: AccountState) -> None:
    """Refuse (InvalidField) a lot that could never have come to be."""
    if row.state is not LotState.APPROVED:
        left = 0 if row.state is LotState.CLOSED else row.amount
        if (row.redeemed, row.expired) != (0, 0) or row.remaining not in (left, row.amount):
            raise InvalidField("state", "has nothing redeemed or expired, and is whole or closed")
    if row.expires_at is not None and row.expires_at <= row.earned_at:
        raise InvalidField("expires_at", "must be later than earned_at")
    _check_ends(row, account_state)
    if not can_hold(account_state.account, row.amount):
        raise InvalidField("amount", "would take the account beyond what it can hold")


def can_hold(account: Account, amount: int) -> bool:
    """Whether the account has room for an award of so much."""
    return account.total_earned + account.pending + amount <= BALANCE_MAX


def recording_time(account: Account, now: datetime, stated: datetime | None = None) -> datetime:
    """Return when a row is recorded: as it states, else now; never before the last row.

    A new account begins with it.
    """
    now = stated or max(now, account.last_at)
    if not account.version:
        account.created_at = account.last_at = now
    return now


def _check_ends(row: LotRow, account_state: AccountState) -> None:
    """Refuse (InvalidField) a redemption or an expiry outside of the lot's life."""
    if row.redeemed and (at := row.redeemed_at) is not None:
        ends_at = _ends_at(row, account_state, row.earned_at)
        if at < row.earned_at or (ends_at is not None and at >= ends_at):
            raise InvalidField("redeemed_at", OUTSIDE_LIFE)
    if row.expired and (at := row.expired_at) is not None:
        ends_at = _ends_at(row, account_state, _last_activity(row))
        late = bool(row.remaining) and ends_at is not None and at > ends_at
        if at < row.earned_at or late:
            raise InvalidField("expired_at", OUTSIDE_LIFE)


OUTSIDE_LIFE = "must lie between the lot's earn and its expiry"


def _ends_at(row: LotRow, account_state: AccountState, since: datetime) -> datetime | None:
    return account_state.projected_expiry(row.rule, since) if row.rule else row.expires_at


def _last_activity(row: LotRow) -> datetime:
    counts = row.redeemed and TransactionType.REDEEM in row.policy.qualifying
    return row.redeemed_at if counts and row.redeemed_at is not None else row.earned_at


def open_lot(
    change_set: ChangeSet,
    account_state: ImportAccount,
    row: LotRow,
    **texts: Unpack[TransactionTexts],
) -> Lot:
    """Post a lot that `check_lot` has passed, and what became of it.

    A redemption without an instant is dated at the earn. So is an expiry, unless the lot's own
    has passed, which is then the instant; where such an expiry left nothing, it ended the lot.
    What has lapsed and is not told to be gone lapses when the account is next touched.
    """
    first_state = LotState.OPEN if row.state is LotState.CLOSED else row.state
    if first_state is LotState.APPROVED:
        lapse_before(change_set, account_state, TransactionType.EARN, row.earned_at)
    account, last_at = account_state.account, account_state.account.last_at
    lot = Lot(
        lot_id=change_set.new_id(account.account_id),
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
        state_at=account_state.now,
        persisted=False,
    )
    change_set.track(account)
    if first_state is LotState.APPROVED:
        count_earn(account, row.amount, row.earned_at)
    else:
        account.pending += row.amount
    post(
        change_set,
        account_state,
        TransactionType.EARN,
        row.amount,
        effective_at=row.earned_at,
        transaction_id=lot.lot_id,
        first_state=first_state,
        expires_at=account_state.expiry_of(lot),
        **texts,
    )
    change_set.add_lot(account_state, lot)
    _end_parts(change_set, account_state, row, lot)
    account.last_at = max(account.last_at, last_at)
    if lot.unfinished:
        lower_due_bound(account_state.account, account_state.expiry_of(lot))
    return lot


def _end_parts(change_set: ChangeSet, account_state: ImportAccount, row: LotRow, lot: Lot) -> None:
    """Post what is already gone of a lot that was just earned."""
    if row.state is LotState.CLOSED:
        close_lot(change_set, account_state, lot, effective_at=row.closed_at or row.earned_at)
    if row.redeemed:
        at = row.redeemed_at or row.earned_at
        lapse_before(change_set, account_state, TransactionType.REDEEM, at)
        redeem_from(change_set, account_state, [(lot, row.redeemed)], effective_at=at)
    if row.expired:
        lapsed_at = row.expires_at
        if row.expired_at is not None:
            lapsed_at = _ends_at(row, account_state, row.earned_at)
        if lapsed_at is not None and lapsed_at > (row.expired_at or account_state.now):
            lapsed_at = None
        if lapsed_at is not None and not row.remaining:
            lapse_lots(change_set, account_state, [lot], lapsed_at)
        else:
            at = row.expired_at or lapsed_at or row.earned_at
            expire_from(change_set, account_state, [(lot, row.expired)], effective_at=at)


def lapse_before(
    change_set: ChangeSet, account_state: ImportAccount, kind: TransactionType, at: datetime
) -> bool:
    """End what had lapsed before an activity, so that it revives nothing; whether there was any.

    A lot that was earned here ends if it has lapsed by now, as before every write; one that a
    file brought if it had when the activity was.
    """
    due: dict[datetime, list[Lot]] = {}
    for lot in account_state.lots.values():
        if not lot.unfinished or kind not in account_state.program.versions[lot.rule].qualifying:
            continue
        ends_at = account_state.expiry_of(lot)
        until = at if lot.lot_id in account_state.imported_lot_ids else account_state.read_at
        if lot.rule and ends_at is not None and ends_at <= until:
            due.setdefault(ends_at, []).append(lot)
    if due:
        with recording(change_set, account_state):
            lapse_lots_due(change_set, account_state, due)
    return bool(due)


@contextmanager
def recording(change_set: ChangeSet, account_state: ImportAccount) -> Iterator[None]:
    """Post within the block as the import: now, and with its own principal."""
    before = change_set.principal, account_state.now
    change_set.principal = account_state.recorder
    account_state.now = max(account_state.read_at, account_state.account.last_at)
    yield
    change_set.principal, account_state.now = before
