"""UpdateExpiry: giving one lot another expiry."""

from __future__ import annotations

from datetime import datetime

from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.commands import MoveExpiry
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
from points_grpc.domain.posting import due_no_later_than, end_lots, reinstate
from points_grpc.domain.results import ExpiryMoved
from points_grpc.domain.state import Case, Draft, ExpiryChange, Holding, Lot
from points_grpc.domain.views import end_of, view_change
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


def move_expiry(command: MoveExpiry, case: Case, draft: Draft) -> ExpiryMoved:
    """Give a lot another expiry, reinstating it first if it has lapsed and that was asked."""
    holding, lot = _find(command, case, draft)
    lapse_due(draft, holding)
    _check_matches(command, lot)
    if not lot.unfinished and not (lot.lapse_id and command.reinstate):
        raise LotNotLive("lot_id", ended=end_of(lot))
    old = holding.expiry_of(lot)
    new = _new_expiry(command, holding)
    _check_direction(command, old, new)

    draft.redate(holding.account)
    draft.redate(lot)
    if lot.lapse_id:
        reinstate(draft, holding, lot, request_id=command.request_id)
    lot.rule = 0
    lot.expires_at = new
    if isinstance(command.expiration, Immediate):
        end_lots(draft, holding, [lot], holding.now, request_id=command.request_id)
    else:
        due_no_later_than(holding.account, new)
    row = _record(command, draft, holding, lot, old)
    return ExpiryMoved(view_change(holding.owner, row, lot), holding.program.zone.key)


def _find(command: MoveExpiry, case: Case, draft: Draft) -> tuple[Holding, Lot]:
    holding = case.holding
    if holding is not None:
        vendor_key = (holding.account.member_id, command.lot_id)
        lot_id = case.lot_id or draft.books.vendor_lots.get(vendor_key, 0)
        lot = holding.lots.get(lot_id)
        if lot is not None:
            return holding, lot
    raise LotNotFound("lot_id")


def _check_matches(command: MoveExpiry, lot: Lot) -> None:
    if command.kind is not None and command.kind is not lot.kind:
        raise LotNotFound("lot_id")
    if command.category is LotCategory.REGULAR and lot.state is not LotState.APPROVED:
        raise LotNotFound("lot_id")
    if command.category is LotCategory.PROMISED and lot.state not in _PROMISED:
        raise LotNotFound("lot_id")


def _new_expiry(command: MoveExpiry, holding: Holding) -> datetime | None:
    expiration = command.expiration
    if isinstance(expiration, Immediate):
        return holding.now
    try:
        new = resolve_expiration(expiration, holding.program.zone, holding.now)
    except OutOfCalendar as error:
        problem = "gives an expiry beyond the calendar"
        raise InvalidField(expiration_field(expiration), problem) from error
    if new is not None and new <= holding.now:
        raise ExpiryInPast(expiration_field(expiration))
    return new


def _check_direction(command: MoveExpiry, old: datetime | None, new: datetime | None) -> None:
    if command.reason_type is ReasonType.EARLY_EXPIRY and (
        new is None or (old is not None and new >= old)
    ):
        raise ExpiryNotEarlier(expiration_field(command.expiration))
    if command.reason_type is ReasonType.EXTEND_EXPIRY and (
        old is None or (new is not None and new <= old)
    ):
        raise ExpiryNotLater(expiration_field(command.expiration))


def _record(
    command: MoveExpiry, draft: Draft, holding: Holding, lot: Lot, old: datetime | None
) -> ExpiryChange:
    account = holding.account
    account.version += 1
    account.last_at = holding.now
    row = ExpiryChange(
        event_id=draft.new_id(account.account_id),
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
        principal=draft.principal,
        request_id=command.request_id,
        created_at=holding.now,
    )
    draft.facts.changes.append(row)
    return row
