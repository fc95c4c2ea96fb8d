"""The lots that nearly every row of a file is: posted in one step instead of through objects.

A plain lot is approved, has a fixed expiry or none, and what is gone of it was redeemed at its
earn. What becomes of the account is for the domain to say, as for `domain.importing.open_lot`; here
its rows are only written as they come. A test holds the two together. Every doubt is left to the
long way.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from points_grpc.domain.imports.lots import LotRow, recording_time
from points_grpc.domain.model import AwardKind, Currency, LotState, Policy
from points_grpc.domain.posting import bump_version, count_earn, count_redemption, lower_due_bound
from points_grpc.domain.state import Account, Lot
from points_grpc.service.transfer.importer.new_ids import NewIds
from points_grpc.service.transfer.importer.parts import MemberKeyName
from points_grpc.storage.transfer.bulk_copy import AccountLotWriter

_KIND = AwardKind.POINT_AWARDED


class PlainLot(NamedTuple):
    """A plain lot and whose it is; amounts in the smallest unit, instants in UTC."""

    number: int
    name: MemberKeyName
    currency: Currency
    policy: Policy
    amount: int
    remaining: int
    earned_at: datetime
    expires_at: datetime | None
    vendor_id: int
    reference: str

    @property
    def row(self) -> LotRow:
        """The same lot for the long way."""
        return LotRow(
            self.policy,
            0,
            self.amount,
            self.remaining,
            self.amount - self.remaining,
            0,
            self.earned_at,
            self.expires_at,
            vendor_id=self.vendor_id,
        )

    def made(self, lot_id: int, account: Account, at: datetime) -> Lot:
        """The lot that was posted for it at that instant."""
        return Lot(
            lot_id=lot_id,
            account_id=account.account_id,
            member_id=account.member_id,
            currency_id=account.currency_id,
            vendor_id=self.vendor_id,
            kind=_KIND,
            state=LotState.APPROVED,
            policy_version_id=self.policy.policy_version_id,
            rule=0,
            priority=self.policy.priority,
            amount=self.amount,
            remaining=self.remaining,
            earned_at=self.earned_at,
            expires_at=self.expires_at,
            state_at=at,
            redeemed=self.amount - self.remaining,
        )


class Posted(NamedTuple):
    """What a plain lot has become."""

    plain: PlainLot
    lot_id: int
    account: Account
    at: datetime

    def lot(self) -> Lot:
        """The lot, as it was posted."""
        return self.plain.made(self.lot_id, self.account, self.at)


def post_plain(lot_writer: AccountLotWriter, ids: NewIds, plain: PlainLot, now: datetime) -> Posted:
    """Post a lot that the account can hold: its EARN, and a REDEEM of what is gone."""
    account = lot_writer.account
    _, _, _, _, amount, remaining, earned_at, expires_at, _, _ = plain
    now = recording_time(account, now)
    count_earn(account, amount, earned_at)
    bump_version(account, now)
    lot_id = ids.new_id(lot_writer.bucket)
    lot_writer.earn(lot_id, plain, now)
    if remaining != amount:
        gone = amount - remaining
        count_redemption(account, gone, earned_at)
        bump_version(account, now)
        lot_writer.redeem(ids.new_id(lot_writer.bucket), lot_id, gone, earned_at, now)
    if remaining:
        lower_due_bound(account, expires_at)
    return Posted(plain, lot_id, account, now)
