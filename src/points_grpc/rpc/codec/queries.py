"""Requests that change nothing, as queries and listings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from points.v1 import expiring_pb2, listing_pb2, lookup_pb2
from points_grpc.domain.commands import VENDOR_ID_END
from points_grpc.domain.limits import REFERENCE_MAX, read_text
from points_grpc.domain.model import TransactionType
from points_grpc.domain.queries import (
    GetAccount,
    GetExpiring,
    GetLot,
    GetSchedule,
    GetTransaction,
    ListAllocations,
    ListExpiryChanges,
    ListLots,
    ListTransactions,
    Order,
)
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.enums import CATEGORIES, STATES, TYPES, read_enums
from points_grpc.rpc.codec.identifiers import (
    read_currency,
    read_id,
    read_member,
    read_optional_id,
    read_optional_member,
)
from points_grpc.rpc.codec.instants import read_bounds, read_period, required

if TYPE_CHECKING:
    from datetime import datetime

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1000
MONTHS_MAX = 60

ListRequest: TypeAlias = (
    listing_pb2.ListTransactionsRequest
    | listing_pb2.ListLotsRequest
    | listing_pb2.ListExpiryChangesRequest
)

_TRANSACTION_ORDERS = {
    "": Order.NEWEST,
    "create_time desc": Order.NEWEST,
    "create_time": Order.OLDEST,
    "amount desc": Order.LARGEST,
}
_LOT_ORDERS = {
    "": Order.SPENDING,
    "spending": Order.SPENDING,
    "expire_time": Order.EXPIRY,
    "lot_id desc": Order.LATEST_LOT,
}
_CHANGE_ORDERS = {
    "": Order.NEWEST,
    "event_time desc": Order.NEWEST,
    "event_time": Order.OLDEST,
}


def read_get_account(message: lookup_pb2.GetAccountRequest) -> GetAccount:
    """The query. Raises InvalidField."""
    if not message.account_id:
        return GetAccount(
            program_id=read_optional_id(message.program_id, "program_id"),
            member=read_member(message),
            currency=read_currency(message),
        )
    named = message.HasField("member") or message.WhichOneof("currency") is not None
    if named or message.program_id:
        raise InvalidField("account_id", "must be the only field where it is set")
    return GetAccount(account_id=read_id(message.account_id, "account_id"))


def read_get_transaction(message: lookup_pb2.GetTransactionRequest) -> GetTransaction:
    """The query. Raises InvalidField."""
    return GetTransaction(read_id(message.transaction_id, "transaction_id"))


def read_get_lot(message: lookup_pb2.GetLotRequest) -> GetLot:
    """The query; its program is left for the answer's to be compared with. Raises InvalidField."""
    read_optional_id(message.program_id, "program_id")
    query = GetLot(read_id(message.lot_id, "lot_id"), read_optional_member(message))
    if query.lot_id < VENDOR_ID_END and query.member is None:
        raise InvalidField("member", "is required with a vendor's lot_id")
    return query


def read_get_expiring(message: expiring_pb2.GetExpiringPointsRequest) -> GetExpiring:
    """The query. Raises InvalidField."""
    required(message, "start_time")
    required(message, "end_time")
    start_at, end_at = read_period(message.start_time, message.end_time)
    return GetExpiring(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_member(message),
        currency=read_currency(message),
        start_at=start_at,
        end_at=end_at,
    )


def read_get_schedule(message: expiring_pb2.GetExpirationScheduleRequest) -> GetSchedule:
    """The query. Raises InvalidField."""
    return GetSchedule(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_member(message),
        currency=read_currency(message),
        trailing_months=_months(message, "trailing_months", 3),
        forward_months=_months(message, "forward_months", 6),
    )


def read_list_transactions(message: listing_pb2.ListTransactionsRequest) -> ListTransactions:
    """The listing, from its beginning. Raises InvalidField."""
    start_at, end_at = _bounds(message)
    listing = ListTransactions(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_optional_member(message),
        currency=read_currency(message),
        states=read_enums(message.states, STATES, "states"),
        types=read_enums(message.types, TYPES, "types"),
        reference=read_text(message.reference, "reference", REFERENCE_MAX),
        start_at=start_at,
        end_at=end_at,
        order=_order(message.order_by, _TRANSACTION_ORDERS),
        page_size=read_page_size(message.page_size),
    )
    if listing.order is Order.OLDEST and listing.member is None:
        raise InvalidField("order_by", "create_time needs a member")
    if listing.order is Order.LARGEST and listing.types != {TransactionType.EARN}:
        raise InvalidField("order_by", "amount desc needs types to be EARN alone")
    return listing


def read_list_lots(message: listing_pb2.ListLotsRequest) -> ListLots:
    """The listing, from its beginning. Raises InvalidField."""
    start_at, end_at = _bounds(message)
    return ListLots(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_member(message),
        currency=read_currency(message),
        states=read_enums(message.states, STATES, "states"),
        categories=read_enums(message.categories, CATEGORIES, "categories"),
        reference=read_text(message.reference, "reference", REFERENCE_MAX),
        start_at=start_at,
        end_at=end_at,
        live_only=message.live_only,
        order=_order(message.order_by, _LOT_ORDERS),
        page_size=read_page_size(message.page_size),
    )


def read_list_expiry_changes(message: listing_pb2.ListExpiryChangesRequest) -> ListExpiryChanges:
    """The listing, from its beginning. Raises InvalidField."""
    start_at, end_at = _bounds(message)
    listing = ListExpiryChanges(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_optional_member(message),
        currency=read_currency(message),
        lot_id=read_optional_id(message.lot_id, "lot_id"),
        start_at=start_at,
        end_at=end_at,
        order=_order(message.order_by, _CHANGE_ORDERS),
        page_size=read_page_size(message.page_size),
    )
    if listing.member is None and listing.lot_id < VENDOR_ID_END:
        needs = "with a vendor's lot_id" if listing.lot_id else "where lot_id is not set"
        raise InvalidField("member", f"is required {needs}")
    return listing


def read_list_allocations(message: listing_pb2.ListAllocationsRequest) -> ListAllocations:
    """The listing, from its beginning. Raises InvalidField."""
    return ListAllocations(
        read_id(message.transaction_id, "transaction_id"), read_page_size(message.page_size)
    )


def read_page_size(page_size: int) -> int:
    """Return the page size: the default for 0, at most PAGE_SIZE_MAX. Raises InvalidField."""
    if page_size < 0:
        raise InvalidField("page_size", "must not be negative")
    return min(page_size, PAGE_SIZE_MAX) or PAGE_SIZE_DEFAULT


def _bounds(message: ListRequest) -> tuple[datetime | None, datetime | None]:
    return read_bounds(
        message.start_time if message.HasField("start_time") else None,
        message.end_time if message.HasField("end_time") else None,
    )


def _order(order_by: str, orders: Mapping[str, Order]) -> Order:
    if (order := orders.get(order_by)) is None:
        raise InvalidField("order_by", f"must be one of: {', '.join(filter(None, orders))}")
    return order


def _months(message: expiring_pb2.GetExpirationScheduleRequest, field: str, default: int) -> int:
    if not message.HasField(field):
        return default
    months: int = getattr(message, field)
    if not 0 <= months <= MONTHS_MAX:
        raise InvalidField(field, f"must be from 0 to {MONTHS_MAX}")
    return months
