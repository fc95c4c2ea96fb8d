"""The state that decisions work on: accounts with their lots, and what was decided so far.

The decisions of a batch share one `BatchState`. Each group of commands changes it through a
`ChangeSet`, which remembers every value from before the change. `commit` adds the entries of the
group to those of the batch; `rollback` restores every value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from points_grpc.domain.commands import Command
from points_grpc.domain.model import (
    AwardKind,
    Currency,
    LotState,
    Policy,
    Program,
    ReasonType,
    TransactionType,
    frozen,
)
from points_grpc.domain.policy import inactivity_lapse
from points_grpc.domain.results import MemberLabel, Owner
from points_grpc.errors import Refusal


@dataclass(slots=True)
class Account:
    """One member's points in one currency.

    `activity` holds the last instant of each transaction type (replaced, never changed in
    place). `next_due_at` is a lower bound on the expiry of every unfinished lot. An account
    with version 0 does not exist yet.
    """

    tenant_id: int
    account_id: int
    program_id: int
    member_id: int
    currency_id: int
    created_at: datetime
    last_at: datetime
    available: int = 0
    pending: int = 0
    held: int = 0
    total_earned: int = 0
    total_redeemed: int = 0
    total_expired: int = 0
    version: int = 0
    activity: dict[TransactionType, datetime] = field(default_factory=dict)
    next_due_at: datetime | None = None
    persisted: bool = True

    @property
    def balance(self) -> int:
        """Available plus held."""
        return self.available + self.held


@dataclass(slots=True)
class Lot:
    """One award of points.

    `rule` is 0 for a lot with a fixed expiry or none, else the inactivity policy version that
    moves it. `lapse_id` is the EXPIRE that ended it and `lapsed` how much that took.
    """

    lot_id: int
    account_id: int
    member_id: int
    currency_id: int
    vendor_id: int
    kind: AwardKind
    state: LotState
    policy_version_id: int
    rule: int
    priority: int
    amount: int
    remaining: int
    earned_at: datetime
    expires_at: datetime | None
    state_at: datetime
    held: int = 0
    redeemed: int = 0
    expired: int = 0
    lapse_id: int = 0
    lapsed: int = 0
    persisted: bool = True

    @property
    def unfinished(self) -> bool:
        """Not closed, and something left or held."""
        return self.state is not LotState.CLOSED and self.remaining + self.held > 0


@frozen
class Transaction:
    """A ledger row to be. Amount positive; figures are the account's right after it."""

    transaction_id: int
    account_id: int
    currency_id: int
    version: int
    type: TransactionType
    amount: int
    available_after: int
    pending_after: int
    held_after: int
    principal: str
    effective_at: datetime
    created_at: datetime
    related_id: int = 0
    request_id: str = ""
    reference: str = ""
    source: str = ""
    reason: str = ""
    description: str = ""
    first_state: LotState | None = None
    expires_at: datetime | None = None


@frozen
class Allocation:
    """How much of a transaction came from, or went back to, one lot."""

    transaction_id: int
    lot_id: int
    amount: int


@frozen
class ExpiryChange:
    """A change of a lot's expiry to be; None as an expiry means never."""

    event_id: int
    account_id: int
    currency_id: int
    version: int
    lot_id: int
    old_expires_at: datetime | None
    new_expires_at: datetime | None
    reason_type: ReasonType | None
    reason_note: str
    standard_meta: tuple[str, str, str]
    custom_meta: str
    principal: str
    request_id: str
    created_at: datetime


@dataclass(slots=True)
class Member:
    """A member as the batch knows it; not `persisted` until an Earn that enrols it is kept."""

    tenant_id: int
    label: MemberLabel
    persisted: bool = True
    enrolled: bool = False

    @property
    def exists(self) -> bool:
        """Whether commands decided from here on find it."""
        return self.persisted or self.enrolled


LotCursor = tuple[int, datetime | None, datetime, int]
"""Where a stream of lots was cut: priority, expires_at, earned_at, lot_id of its last."""


@dataclass(slots=True)
class AccountState:
    """One account with the lots that a batch needs of it.

    `lots` has every lot that is due at `now`, every lot named by a command, and the first
    spendable ones. `cut` tells, for each rule whose lots were not all loaded, where loading
    stopped. `next_fixed_due_at` is the soonest fixed expiry after `now` (exact; only known
    for an account that may have due lots).
    """

    account: Account
    member: Member
    program: Program
    currency: Currency
    now: datetime
    lots: dict[int, Lot] = field(default_factory=dict)
    loaded_until: dict[int, LotCursor] = field(default_factory=dict)
    next_fixed_due_at: datetime | None = None

    @property
    def owner(self) -> Owner:
        """Return the owner that the account's lots and transactions show."""
        return Owner(
            self.account.account_id, self.account.program_id, self.currency, self.member.label
        )

    def policy_of(self, lot: Lot) -> Policy:
        """The policy version that the lot was earned under."""
        return self.program.versions[lot.policy_version_id]

    def expiry_of(self, lot: Lot) -> datetime | None:
        """The instant at which the lot lapses as things stand, or did lapse; None means never."""
        if not lot.rule or lot.expires_at is not None:
            return lot.expires_at
        return self.projected_expiry(lot.rule, lot.earned_at)

    def projected_expiry(self, rule: int, earned_at: datetime) -> datetime:
        """Return when a lot of inactivity policy version `rule` lapses without further activity."""
        since = self.last_qualified_at(rule)
        if since is None or since < earned_at:
            since = earned_at
        return inactivity_lapse(self.program.versions[rule], self.program.zone, since)

    def last_qualified_at(self, rule: int) -> datetime | None:
        """The account's last activity of the types that the policy version counts."""
        activity = self.account.activity
        qualifying = self.program.versions[rule].qualifying
        return max((at for kind, at in activity.items() if kind in qualifying), default=None)


class NeedMoreLots(Exception):
    """Spending reached the end of the lots that were loaded of an account."""

    def __init__(self, account_id: int) -> None:
        super().__init__(account_id)
        self.account_id = account_id


@frozen
class ResolvedCommand:
    """A command with what its names stand for.

    `refusal` says why the names stand for nothing; a member or account that an earlier
    command of the batch may still create has an account state all the same.
    """

    command: Command
    account_state: AccountState | None = None
    lot_id: int = 0
    refusal: Refusal | None = None


@dataclass(slots=True)
class LedgerEntries:
    """What was decided: rows to be added."""

    transactions: list[Transaction] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    changes: list[ExpiryChange] = field(default_factory=list)


@dataclass(slots=True)
class BatchState:
    """What the decisions of a batch read and what they leave to be written.

    `earns` has the EARN of every lot whose state a command changes, and `with_expiry_change` the
    keys of those whose expiry was changed before the batch. `vendor_lots` finds a lot by member
    and vendor id. `expiries` caches what a policy, by its identity, gives to earns of an instant:
    most earns of a batch share it. `tracked` has every account, lot and member that a committed
    group changed or created, `tracked_dates` those of which only the dates changed.
    """

    account_states: dict[int, AccountState] = field(default_factory=dict)
    earns: dict[int, Transaction] = field(default_factory=dict)
    with_expiry_change: set[int] = field(default_factory=set)
    vendor_lots: dict[tuple[int, int], int] = field(default_factory=dict)
    expiries: dict[tuple[int, datetime], datetime | None] = field(default_factory=dict)
    entries: LedgerEntries = field(default_factory=LedgerEntries)
    tracked: dict[int, Account | Lot | Member] = field(default_factory=dict)
    tracked_dates: dict[int, Account | Lot] = field(default_factory=dict)


_FIELDS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    kind: attrgetter(*kind.__slots__) for kind in (Account, Lot, Member)
}


_DATES: dict[type, tuple[str, ...]] = {
    Account: ("version", "last_at", "next_due_at"),
    Lot: ("rule", "expires_at"),
}
_DATES_OF: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    kind: attrgetter(*names) for kind, names in _DATES.items()
}


class ChangeSet:
    """The changes of one group of commands to the batch's state.

    Call `track` before a change, or `track_dates` where an account's version, last_at
    and next_due_at or a lot's rule and expires_at are all that changes.
    """

    def __init__(
        self, batch_state: BatchState, new_id: Callable[[int], int], principal: str
    ) -> None:
        self.batch_state = batch_state
        self.new_id = new_id
        self.principal = principal
        self.entries = LedgerEntries()
        self._before: dict[int, tuple[Account | Lot | Member, tuple[Any, ...]]] = {}
        self._dates: dict[int, tuple[Account | Lot, tuple[Any, ...]]] = {}
        self._added: list[tuple[dict[Any, Any], Any]] = []

    def track(self, thing: Account | Lot | Member) -> None:
        """Remember how `thing` is, before it is changed."""
        if id(thing) not in self._before:
            self._before[id(thing)] = (thing, _FIELDS[type(thing)](thing))

    def track_dates(self, thing: Account | Lot) -> None:
        """Remember the dates of `thing`, before nothing but them is changed."""
        key = id(thing)
        if key not in self._dates and key not in self._before:
            self._dates[key] = (thing, _DATES_OF[type(thing)](thing))

    def add_lot(self, account_state: AccountState, lot: Lot) -> None:
        """Add a new lot to the account and to the batch."""
        self.track(lot)
        account_state.lots[lot.lot_id] = lot
        self._added.append((account_state.lots, lot.lot_id))
        if lot.vendor_id:
            key = (lot.member_id, lot.vendor_id)
            self.batch_state.vendor_lots[key] = lot.lot_id
            self._added.append((self.batch_state.vendor_lots, key))

    def commit(self) -> None:
        """Add the group's entries and tracked objects to the batch."""
        entries = self.batch_state.entries
        entries.transactions += self.entries.transactions
        entries.allocations += self.entries.allocations
        entries.changes += self.entries.changes
        for key, (thing, _) in self._before.items():
            self.batch_state.tracked[key] = thing
        for key, (dated, _) in self._dates.items():
            self.batch_state.tracked_dates[key] = dated

    def rollback(self) -> None:
        """Put everything back as it was before the group."""
        for thing, values in self._before.values():
            for name, value in zip(type(thing).__slots__, values, strict=True):
                setattr(thing, name, value)
        for dated, dates in self._dates.values():
            for name, value in zip(_DATES[type(dated)], dates, strict=True):
                setattr(dated, name, value)
        for where, key in self._added:
            del where[key]
