"""UpdateExpiry: giving one lot another expiry."""

from __future__ import annotations

from datetime import datetime

from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.commands import UpdateExpiry
from points_grpc.domain.lapse import lapse_due
from points_grpc.domain.model import LotCategory, LotState, ReasonType
from points_grpc.domain.policy import (
    Expiration,
    ExpireAt,
    ExpireOn,
    Immediate,
    InDays,
    InMonths,
    Never,
    resolve_expiration,
)
from points_grpc.domain.posting import lapse_lots, lower_due_bound, reinstate
from points_grpc.domain.results import ExpiryUpdated
from points_grpc.domain.state import AccountState, ChangeSet, ExpiryChange, Lot, ResolvedCommand
from points_grpc.domain.views import how_lot_ended, view_change
from points_grpc.errors import (
    ExpiryInPast,
    ExpiryNotEarlier,
    ExpiryNotLater,
    InvalidField,
    LotNotFound,
    LotNotLive,
)

_EXPIRATION_FIELDS: dict[type, str] = {
    ExpireAt: "expire_time",
    ExpireOn: "expire_date",
    InDays: "days",
    InMonths: "months",
    Never: "never",
    Immediate: "immediate",
}

_PROMISED = (LotState.OPEN, LotState.PENDING)


def expiration_field(expiration: Expiration) -> str:
    """The contract's field that an expiration came in."""
    return _EXPIRATION_FIELDS[type(expiration)]


def update_expiry(
    command: UpdateExpiry, resolved: ResolvedCommand, change_set: ChangeSet
) -> ExpiryUpdated:
    """Give a lot another expiry, reinstating it first if it has lapsed and that was asked."""
    account_state, lot = _find(command, resolved, change_set)
    lapse_due(change_set, account_state)
    _check_matches(command, lot)
    if not lot.unfinished and not (lot.lapse_id and command.reinstate):
        raise LotNotLive("lot_id", ended=how_lot_ended(lot))
    old = account_state.expiry_of(lot)
    new = _new_expiry(command, account_state)
    _check_direction(command, old, new)

    change_set.track_dates(account_state.account)
    change_set.track_dates(lot)
    if lot.lapse_id:
        reinstate(change_set, account_state, lot, request_id=command.request_id)
    lot.rule = 0
    lot.expires_at = new
    if isinstance(command.expiration, Immediate):
        lapse_lots(
            change_set, account_state, [lot], account_state.now, request_id=command.request_id
        )
    else:
        lower_due_bound(account_state.account, new)
    row = _record(command, change_set, account_state, lot, old)
    return ExpiryUpdated(view_change(account_state.owner, row, lot), account_state.program.zone.key)


def _find(
    command: UpdateExpiry, resolved: ResolvedCommand, change_set: ChangeSet
) -> tuple[AccountState, Lot]:
    account_state = resolved.account_state
    if account_state is not None:
        vendor_key = (account_state.account.member_id, command.lot_id)
        lot_id = resolved.lot_id or change_set.batch_state.vendor_lots.get(vendor_key, 0)
        lot = account_state.lots.get(lot_id)
        if lot is not None:
            return account_state, lot
    raise LotNotFound("lot_id")


def _check_matches(command: UpdateExpiry, lot: Lot) -> None:
    if command.kind is not None and command.kind is not lot.kind:
        raise LotNotFound("lot_id")
    if command.category is LotCategory.REGULAR and lot.state is not LotState.APPROVED:
        raise LotNotFound("lot_id")
    if command.category is LotCategory.PROMISED and lot.state not in _PROMISED:
        raise LotNotFound("lot_id")


def _new_expiry(command: UpdateExpiry, account_state: AccountState) -> datetime | None:
    expiration = command.expiration
    if isinstance(expiration, Immediate):
        return account_state.now
    try:
        new = resolve_expiration(expiration, account_state.program.zone, account_state.now)
    except OutOfCalendar as error:
        problem = "gives an expiry beyond the calendar"
        raise InvalidField(expiration_field(expiration), problem) from error
    if new is not None and new <= account_state.now:
        raise ExpiryInPast(expiration_field(expiration))
    return new


def _check_direction(command: UpdateExpiry, old: datetime | None, new: datetime | None) -> None:
    if command.reason_type is ReasonType.EARLY_EXPIRY and (
        new is None or (old is not None and new >= old)
    ):
        raise ExpiryNotEarlier(expiration_field(command.expiration))
    if command.reason_type is ReasonType.EXTEND_EXPIRY and (
        old is None or (new is not None and new <= old)
    ):
        raise ExpiryNotLater(expiration_field(command.expiration))


def _record(
    command: UpdateExpiry,
    change_set: ChangeSet,
    account_state: AccountState,
    lot: Lot,
    old: datetime | None,
) -> ExpiryChange:
    account = account_state.account
    account.version += 1
    account.last_at = account_state.now
    row = ExpiryChange(
        event_id=change_set.new_id(account.account_id),
        account_id=account.account_id,
        currency_id=account.currency_id,
        version=account.version,
        lot_id=lot.lot_id,
        old_expires_at=old,
        new_expires_at=lot.expires_at,
        reason_type=command.reason_type,
        reason_note=command.reason_note,
        standard_meta=command.standard_meta,
        custom_meta=command.custom_meta,
        principal=change_set.principal,
        request_id=command.request_id,
        created_at=account_state.now,
    )
    change_set.entries.changes.append(row)
    return row
