"""What the names in a batch stand for: programs, members, lots and accounts, before any lock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from points_grpc.domain.commands import (
    MEMBER_ID,
    VENDOR_ID_END,
    Caller,
    ChangeLotState,
    Command,
    CurrencyName,
    Earn,
    Expire,
    Lapse,
    MemberName,
    Redeem,
    UpdateExpiry,
)
from points_grpc.domain.model import Program
from points_grpc.domain.results import Answer, MemberLabel
from points_grpc.domain.state import Lot, Member
from points_grpc.errors import (
    AccountNotFound,
    LotNotFound,
    MemberNotFound,
    Refusal,
    TransactionNotFound,
    TransactionNotOpen,
)
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.shared.resolution import (
    accounts_of,
    currency_of,
    program_key,
    program_of,
)
from points_grpc.service.writes.work import CallId, Group, LedgerCall
from points_grpc.storage.admin import programs
from points_grpc.storage.admin.programs import ProgramKey
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import bucket_of_id, bucket_of_name
from points_grpc.storage.core.pipeline import PendingQuery
from points_grpc.storage.ledger import lots, members, transactions
from points_grpc.storage.ledger.lots import LotKey
from points_grpc.storage.ledger.members import FoundMember, Known, Name
from points_grpc.storage.ledger.requests import RequestKey

_EXTERNAL_ID = "external_id"

_Allowed = dict[tuple[int, int, CurrencyName], Collection[int]]
"""By call, program and currency as named: the currencies in which a lot may be."""

_Unborn = dict[tuple[int, int, int], tuple[int, int]]
"""By tenant, member and vendor's lot id: the account and currency of the Earn that makes it."""


class NumberSource(Protocol):
    """Where new ids come from."""

    def new_id(self, bucket: int) -> int:
        """A new id in `bucket`."""
        ...


@dataclass(slots=True)
class WorkItem:
    """One command of a batch and what has been found out about it.

    `home` is the row of its request id, in the scope of its member or transaction; `key` is the
    item's own: the same, but for an UpdateExpiry, whose items of one member share the row.
    `is_kept` says that the row is there. `former` are the rows of the members that its name was
    unlinked from, `by_name` is what the release before kept.
    """

    call: LedgerCall
    group: Group
    command: Command
    key: RequestKey | None = None
    home: RequestKey | None = None
    is_kept: bool = False
    former: tuple[RequestKey, ...] = ()
    fingerprint: bytes = b""
    call_id: CallId | None = None
    by_name: NamedId | None = None
    replay: Answer | None = None
    refusal: Refusal | None = None
    account_id: int = 0
    lot_id: int = 0

    @property
    def caller(self) -> Caller:
        """On whose behalf it is asked."""
        return self.call.caller

    @property
    def open(self) -> bool:
        """Whether it still has to be decided."""
        return self.replay is None and self.refusal is None


class FreshAccount(NamedTuple):
    """An account that an Earn may make; it gets its instants with the batch's."""

    tenant_id: int
    account_id: int
    program_id: int
    member_id: int
    currency_id: int


@dataclass(slots=True)
class NamedId:
    """Where the release before kept the answer to an item, by its member as named.

    Items of one call that share a request id are known under the row `shared`; `size` is how
    many they are, `since` is when the row was written, None where there is none.
    """

    key: RequestKey
    shared: RequestKey | None = None
    size: int = 1
    since: datetime | None = None


@dataclass(slots=True)
class ResolvedNames:
    """What was found: `members` by the name in the request, `fresh` accounts by id.

    `former` are the ids of the members that a name was unlinked from.

    `lots` were read without a lock, after their accounts had the `versions`: those of an account
    that still has it under its lock are as they were read.
    """

    programs: dict[tuple[int, int], Program] = field(default_factory=dict)
    members: dict[tuple[int, str, str], Member] = field(default_factory=dict)
    members_by_id: dict[tuple[int, int], Member] = field(default_factory=dict)
    former: dict[Name, list[int]] = field(default_factory=dict)
    fresh: dict[int, FreshAccount] = field(default_factory=dict)
    lots: dict[int, Lot] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)


class Resolver:
    """Finds out what the open items of one batch name; refuses those that name nothing."""

    def __init__(self, connection: Connection, programs: ProgramCache, ids: NumberSource) -> None:
        self._connection = connection
        self._programs = programs
        self._ids = ids
        self.names = ResolvedNames()
        self._accounts: dict[tuple[int, int], dict[int, int]] = {}
        self._wanted: set[Name] = set()
        self._versions: PendingQuery[dict[ProgramKey, int]] | None = None
        self._known: PendingQuery[FoundMember] | None = None
        self._lots: PendingQuery[dict[LotKey, Lot]] | None = None

    def ask(self, items: Sequence[WorkItem]) -> None:
        """Ask for what the items name, together with what comes next."""
        keys: set[ProgramKey] = set()
        own: set[LotKey] = set()
        for item in items:
            command, caller = item.command, item.call.caller
            if isinstance(command, ChangeLotState):
                own.add((caller.tenant_id, command.transaction_id))
            elif not isinstance(command, Lapse):
                keys.add(program_key(caller, command.program_id))
                self._wanted.add(member_key(caller, command.member))
                if isinstance(command, UpdateExpiry) and command.lot_id >= VENDOR_ID_END:
                    own.add((caller.tenant_id, command.lot_id))
        self._versions = PendingQuery(self._connection, programs.versions(keys))
        identifiers = [name for name in self._wanted if name[1] != MEMBER_ID]
        self._known = PendingQuery(self._connection, members.finding_with_former(identifiers))
        # After the accounts' versions, as `ResolvedNames` promises.
        self._lots = PendingQuery(self._connection, lots.finding(own))

    def resolve(self, items: Sequence[WorkItem]) -> ResolvedNames:
        """Give every open item its account (and lot), or its refusal."""
        if self._versions is None or self._known is None or self._lots is None:
            self.ask(items)
            return self.resolve(items)
        settings = self._programs.of_versions(self._connection, self._versions.answer())
        self.names.programs.update(settings)
        found = self._known.answer()
        self.names.former = found.former
        self._note_members(self._wanted, found.known)
        by_id = self._lots.answer()
        self._prepare_enrolments(items)
        self._find_lots(items, by_id)
        self._find_accounts(items)
        return self.names

    def _prepare_enrolments(self, items: Sequence[WorkItem]) -> None:
        for item in items:
            if isinstance(item.command, Earn):
                self._prepare_enrolment(item, item.command)

    def _note_members(
        self, wanted: set[tuple[int, str, str]], known: dict[tuple[int, str, str], Known]
    ) -> None:
        by_id = self.names.members_by_id
        found = {(t, k, v): int(v) for t, k, v in wanted if k == MEMBER_ID}
        for name, of in known.items():
            key = name[0], of.member_id
            found[name] = of.member_id
            if of.label is not None and key not in by_id:
                by_id[key] = Member(key[0], of.label)
                self._accounts[key] = of.accounts
                self.names.versions.update(of.versions)
        elsewhere = {(name[0], member_id) for name, member_id in found.items()} - by_id.keys()
        for key, label in members.labels(self._connection, elsewhere).items():
            by_id[key] = Member(key[0], label)
        for name, member_id in found.items():
            member = by_id.get((name[0], member_id))
            if member is not None:
                self.names.members[name] = member

    def _prepare_enrolment(self, item: WorkItem, earn: Earn) -> None:
        name = member_key(item.caller, earn.member)
        if earn.member.type != _EXTERNAL_ID or name in self.names.members:
            return
        program = self.names.programs.get(program_key(item.caller, earn.program_id))
        if program is None or not program.auto_enroll:
            return
        member_id = self._ids.new_id(bucket_of_name(*name))
        label = MemberLabel(member_id, 0, earn.member.value)
        member = Member(item.caller.tenant_id, label, persisted=False)
        self.names.members[name] = member
        self.names.members_by_id[item.caller.tenant_id, member_id] = member

    def _find_lots(self, items: Sequence[WorkItem], by_id: dict[LotKey, Lot]) -> None:
        vendors = {
            (item.caller.tenant_id, member.label.member_id, item.command.lot_id)
            for item in items
            if isinstance(item.command, UpdateExpiry)
            and item.command.lot_id < VENDOR_ID_END
            and (member := self.names.members.get(member_key(item.caller, item.command.member)))
        }
        of_vendors = lots.by_vendor_id(self._connection, vendors)
        by_vendor = {(lot.member_id, lot.vendor_id): lot for lot in of_vendors.values()}
        self.names.lots = of_vendors | {lot.lot_id: lot for lot in by_id.values()}
        allowed: _Allowed = {}
        for item in items:
            if isinstance(item.command, ChangeLotState):
                self._place_state_move(item, item.command, by_id)
            elif isinstance(item.command, UpdateExpiry):
                self._place_expiry_move(item, item.command, by_id, by_vendor, allowed)
        self._tell_other_transactions(items)

    def _place_state_move(
        self, item: WorkItem, move: ChangeLotState, by_id: dict[LotKey, Lot]
    ) -> None:
        lot = by_id.get((item.caller.tenant_id, move.transaction_id))
        if lot is None:
            item.refusal = TransactionNotFound("transaction_id")
        else:
            item.account_id, item.lot_id = lot.account_id, lot.lot_id

    def _place_expiry_move(
        self,
        item: WorkItem,
        move: UpdateExpiry,
        by_id: dict[LotKey, Lot],
        by_vendor: dict[tuple[int, int], Lot],
        allowed: _Allowed,
    ) -> None:
        tenant = item.call.caller.tenant_id
        asked = (item.call.identity, move.program_id, move.currency)
        if (currencies := allowed.get(asked)) is None:
            try:
                currencies = allowed[asked] = self._currencies_of(item, move)
            except Refusal as refusal:
                item.refusal = refusal
                return
        member = self.names.members.get((tenant, move.member.type, move.member.value))
        if member is None:
            item.refusal = MemberNotFound("member")
            return
        member_id, lot_id = member.label.member_id, move.lot_id
        if lot_id >= VENDOR_ID_END:
            lot = by_id.get((tenant, lot_id))
        else:
            lot = by_vendor.get((member_id, lot_id))
        if lot is None and lot_id < VENDOR_ID_END:
            return
        if lot is None or lot.member_id != member_id or lot.currency_id not in currencies:
            item.refusal = LotNotFound("lot_id")
            return
        item.account_id, item.lot_id = lot.account_id, lot.lot_id

    def _tell_other_transactions(self, items: Sequence[WorkItem]) -> None:
        """A transaction that is there but is no EARN is always approved: not open."""
        lost = [i for i in items if isinstance(i.refusal, TransactionNotFound)]
        keys = {
            (item.caller.tenant_id, item.command.transaction_id)
            for item in lost
            if isinstance(item.command, ChangeLotState)
        }
        there = transactions.existing(self._connection, keys)
        for item in lost:
            if not isinstance(item.command, ChangeLotState):
                continue
            if (item.caller.tenant_id, item.command.transaction_id) in there:
                item.refusal = TransactionNotOpen("transaction_id", state="APPROVED")

    def _find_accounts(self, items: Sequence[WorkItem]) -> None:
        pairs: dict[int, tuple[int, int, int]] = {}
        for place, item in enumerate(items):
            if isinstance(item.command, Earn | Redeem | Expire):
                try:
                    pairs[place] = self._pair_of(item, item.command)
                except Refusal as refusal:
                    item.refusal = refusal
            elif isinstance(item.command, Lapse):
                item.account_id = item.command.account_id
        stored = {
            pair for pair in pairs.values() if self.names.members_by_id[pair[0], pair[1]].persisted
        }
        found = accounts_of(self._connection, self._accounts, stored)
        unborn: _Unborn = {}
        for place, pair in pairs.items():
            command = items[place].command
            if isinstance(command, Earn):
                if pair not in found:
                    found[pair] = self._fresh_account(items[place], command, pair)
                if command.vendor_id:
                    unborn[pair[0], pair[1], command.vendor_id] = (found[pair], pair[2])
        for place, pair in pairs.items():
            if pair in found:
                items[place].account_id = found[pair]
            else:
                items[place].refusal = self._no_account(pair)
        self._place_unborn_lots(items, unborn)

    def _pair_of(self, item: WorkItem, command: Earn | Redeem | Expire) -> tuple[int, int, int]:
        program = program_of(self.names.programs, item.caller, command.program_id)
        currency = currency_of(program, command.currency)
        member = self.names.members.get(member_key(item.caller, command.member))
        if member is None:
            raise MemberNotFound("member")
        return item.caller.tenant_id, member.label.member_id, currency.currency_id

    def _no_account(self, pair: tuple[int, int, int]) -> Refusal:
        stored = self.names.members_by_id[pair[0], pair[1]].persisted
        return AccountNotFound("member") if stored else MemberNotFound("member")

    def _fresh_account(self, item: WorkItem, earn: Earn, pair: tuple[int, int, int]) -> int:
        tenant_id, member_id, currency_id = pair
        account = FreshAccount(
            tenant_id,
            self._ids.new_id(bucket_of_id(member_id)),
            program_key(item.caller, earn.program_id)[1],
            member_id,
            currency_id,
        )
        self.names.fresh[account.account_id] = account
        return account.account_id

    def _place_unborn_lots(self, items: Sequence[WorkItem], unborn: _Unborn) -> None:
        """A vendor's lot that is not there may be made by an Earn of the same batch."""
        for item in items:
            if not isinstance(item.command, UpdateExpiry) or item.account_id or item.refusal:
                continue
            member = self.names.members[member_key(item.caller, item.command.member)]
            key = (item.caller.tenant_id, member.label.member_id, item.command.lot_id)
            account_id, currency_id = unborn.get(key, (0, 0))
            if currency_id in self._currencies_of(item, item.command):
                item.account_id = account_id
            else:
                item.refusal = LotNotFound("lot_id")

    def _currencies_of(self, item: WorkItem, move: UpdateExpiry) -> Collection[int]:
        """The currencies in which the command's lot may be. Raises Refusal."""
        program = program_of(self.names.programs, item.caller, move.program_id)
        if move.currency is not None:
            return (currency_of(program, move.currency).currency_id,)
        return program.currencies.keys()


def member_key(caller: Caller, name: MemberName) -> tuple[int, str, str]:
    return caller.tenant_id, name.type, name.value
