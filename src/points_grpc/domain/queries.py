"""Queries, which change nothing, and their results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Generic, TypeVar

from points_grpc.domain.commands import CurrencyName, MemberName
from points_grpc.domain.model import Currency, LotCategory, LotState, TransactionType


@dataclass(frozen=True, slots=True)
class GetAccount:
    """One account, by its id or by program, member and currency; answered by AccountView."""

    program_id: int = 0
    member: MemberName | None = None
    currency: CurrencyName = None
    account_id: int = 0


@dataclass(frozen=True, slots=True)
class GetLot:
    """One lot; a vendor's lot id needs the member. Answered by LotView."""

    lot_id: int
    member: MemberName | None = None


@dataclass(frozen=True, slots=True)
class GetTransaction:
    """One transaction; answered by TransactionView."""

    transaction_id: int


@dataclass(frozen=True, slots=True)
class GetExpiring:
    """What expires in [start_at, end_at); answered by Expiring."""

    program_id: int
    member: MemberName
    currency: CurrencyName
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True)
class GetSchedule:
    """What expired and expires month by month; answered by Schedule."""

    program_id: int
    member: MemberName
    currency: CurrencyName
    trailing_months: int = 3
    forward_months: int = 6


Read = GetAccount | GetLot | GetTransaction | GetExpiring | GetSchedule


@dataclass(frozen=True, slots=True)
class Expiring:
    """Points and lots that expire in a period, in the currency's smallest unit."""

    currency: Currency
    points: int
    lot_count: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ScheduleMonth:
    """One calendar month of the program; amounts in the currency's smallest unit."""

    first: date
    last: date
    expires_at: datetime | None
    expired: int
    expiring: int
    redeemed: int
    redeemed_from_lots: int


@dataclass(frozen=True, slots=True)
class InactivityEntry:
    """What lapses at one instant under one inactivity policy if nothing happens before."""

    policy: str
    policy_version: int
    last_qualified_at: datetime
    expires_at: datetime
    days_until_expiry: int
    expiring: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The months around now, oldest first, and the inactivity instants, soonest first."""

    currency: Currency
    months: tuple[ScheduleMonth, ...]
    inactivity: tuple[InactivityEntry, ...]
    as_of: datetime


class Order(Enum):
    """How a listing is sorted; each is offered by the listings that name it."""

    NEWEST = "create_time desc"
    OLDEST = "create_time"
    LARGEST = "amount desc"
    SPENDING = "spending"
    EXPIRY = "expire_time"
    LATEST_LOT = "lot_id desc"


Cursor = tuple[str | int, ...]
"""Where a page ended, in the terms of its listing; () is the beginning."""


@dataclass(frozen=True, slots=True)
class ListTransactions:
    """Transactions of a member, or across members of a program; a page of TransactionView.

    `member` None lists across members (NEWEST or LARGEST only; LARGEST lists EARNs only).
    `start_at` and `end_at` bound the creation, half open.
    """

    program_id: int
    member: MemberName | None
    currency: CurrencyName
    states: frozenset[LotState] = frozenset()
    types: frozenset[TransactionType] = frozenset()
    reference: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    order: Order = Order.NEWEST
    page_size: int = 50
    cursor: Cursor = ()


@dataclass(frozen=True, slots=True)
class ListLots:
    """A member's lots; a page of LotView. `start_at`, `end_at` bound the expiry, half open.

    `live_only` leaves out lots that are closed, used up or lapsed.
    """

    program_id: int
    member: MemberName
    currency: CurrencyName
    states: frozenset[LotState] = frozenset()
    categories: frozenset[LotCategory] = frozenset()
    reference: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    order: Order = Order.SPENDING
    page_size: int = 50
    cursor: Cursor = ()
    live_only: bool = False


@dataclass(frozen=True, slots=True)
class ListExpiryChanges:
    """Expiry changes of a member's account or of one lot; a page of ExpiryChangeView."""

    program_id: int
    member: MemberName | None
    currency: CurrencyName
    lot_id: int = 0
    start_at: datetime | None = None
    end_at: datetime | None = None
    order: Order = Order.NEWEST
    page_size: int = 50
    cursor: Cursor = ()


@dataclass(frozen=True, slots=True)
class ListAllocations:
    """The allocations of one transaction by lot id; a page of AllocationView."""

    transaction_id: int
    page_size: int = 50
    cursor: Cursor = ()


Listing = ListTransactions | ListLots | ListExpiryChanges | ListAllocations

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a listing; `cursor` () when there are no more."""

    rows: tuple[Row, ...]
    cursor: Cursor
