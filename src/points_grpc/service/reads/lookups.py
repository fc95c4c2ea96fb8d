"""Reads: a whole batch is answered set-wise, from the one snapshot that its connection has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from points_grpc.clock import Clock
from points_grpc.domain.as_of import view_lot_now, view_transaction_now
from points_grpc.domain.commands import VENDOR_ID_END, Caller
from points_grpc.domain.model import Currency, ExpirationCause, Program, TransactionType
from points_grpc.domain.queries import (
    Expiring,
    GetAccount,
    GetExpiring,
    GetLot,
    GetSchedule,
    GetTransaction,
    Read,
    Schedule,
)
from points_grpc.domain.results import ALLOCATIONS_MAX, AccountView, LotView, TransactionView
from points_grpc.domain.state import AccountState, Lot, Transaction
from points_grpc.errors import (
    AccountNotFound,
    InvalidField,
    LotNotFound,
    MemberNotFound,
    Refusal,
    TransactionNotFound,
)
from points_grpc.service.reads.accounts import AccountLoader
from points_grpc.service.reads.reports import report
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.shared.resolution import (
    NamedMember,
    NamedMembers,
    ProgramKey,
    currency_of,
    finding,
    program_key,
    program_of,
)
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.pipeline import run_all
from points_grpc.storage.ledger import expiry_changes, lots, transactions
from points_grpc.storage.ledger.accounts import AccountKey
from points_grpc.storage.ledger.transactions import FirstAllocations
from points_grpc.storage.reads.expiration_causes import causes

View = AccountView | LotView | TransactionView | Expiring | Schedule


@dataclass(slots=True)
class _Lookup:
    """One read with what its names stand for; `answer` once it has one."""

    caller: Caller
    read: Read
    program: Program | None = None
    currency: Currency | None = None
    member_id: int = 0
    account_id: int = 0
    lot: Lot | None = None
    transaction: Transaction | None = None
    answer: View | Refusal | None = None

    @property
    def tenant_id(self) -> int:
        """Return the tenant whose data the lookup may read."""
        return self.caller.tenant_id

    @property
    def key(self) -> AccountKey:
        """The account that it is about."""
        return self.tenant_id, self.account_id


@dataclass(slots=True)
class _Rows:
    """The ledger rows that a batch's lots and transactions are shown with."""

    earns: Mapping[int, Transaction] = field(default_factory=dict)
    lots: Mapping[int, Lot] = field(default_factory=dict)
    allocations: Mapping[int, FirstAllocations] = field(default_factory=dict)
    causes: Mapping[int, ExpirationCause] = field(default_factory=dict)
    moved: Collection[int] = ()


class Reader:
    """Answers what can be asked without changing anything, as of now."""

    def __init__(self, clock: Clock, programs: ProgramCache) -> None:
        self._clock = clock
        self._programs = programs

    def answer(
        self, connection: Connection, batch: Sequence[tuple[Caller, Read]]
    ) -> list[View | Refusal]:
        """The answer to each read, in order; a refused one does not concern the others.

        `connection` must be in a REPEATABLE READ unit of work, or the figures may not belong
        together.
        """
        lookups = [_Lookup(caller, read) for caller, read in batch]
        named = {name for lookup in lookups if (name := _named_member(lookup)) is not None}
        versions, known = run_all(
            connection, programs.versions(_programs_named(lookups)), finding(named)
        )
        settings = self._programs.of_versions(connection, versions)
        people = NamedMembers(connection, named, known)
        _resolve(people, lookups, settings)
        rows = _find(connection, lookups)
        account_states = AccountLoader(
            connection, self._programs, settings, self._clock, people.labels
        )
        account_states.load({lookup.key for lookup in _open(lookups) if lookup.account_id})
        _load_labels(account_states, lookups)
        _answer_rows(account_states, lookups, rows)
        _answer_figures(connection, account_states, lookups)
        return [_answer_of(lookup) for lookup in lookups]


def _answer_of(lookup: _Lookup) -> View | Refusal:
    if lookup.answer is None:
        raise LookupError("a read was left without an answer")
    return lookup.answer


def _open(lookups: Sequence[_Lookup]) -> list[_Lookup]:
    return [lookup for lookup in lookups if lookup.answer is None]


# Names


def _names_account(read: Read) -> bool:
    """Whether a read names an account by program, member and currency."""
    if isinstance(read, GetAccount):
        return not read.account_id
    return isinstance(read, GetExpiring | GetSchedule)


def _programs_named(lookups: Sequence[_Lookup]) -> set[ProgramKey]:
    return {
        program_key(lookup.caller, lookup.read.program_id)
        for lookup in lookups
        if isinstance(lookup.read, GetAccount | GetExpiring | GetSchedule)
        and _names_account(lookup.read)
    }


def _named_member(lookup: _Lookup) -> NamedMember | None:
    read = lookup.read
    if isinstance(read, GetTransaction) or read.member is None:
        return None
    return lookup.tenant_id, read.member


def _resolve(
    people: NamedMembers, lookups: Sequence[_Lookup], settings: Mapping[ProgramKey, Program]
) -> None:
    """Find what the names in each read stand for, up to the account."""
    for lookup in lookups:
        try:
            _resolve_one(lookup, people.ids, settings)
        except Refusal as refusal:
            lookup.answer = refusal
    wanted = {
        (lookup.tenant_id, lookup.member_id, lookup.currency.currency_id)
        for lookup in _open(lookups)
        if lookup.currency is not None
    }
    found = people.accounts(wanted)
    for lookup in _open(lookups):
        if lookup.currency is not None:
            pair = (lookup.tenant_id, lookup.member_id, lookup.currency.currency_id)
            lookup.account_id = found.get(pair, 0)


def _resolve_one(
    lookup: _Lookup, ids: Mapping[NamedMember, int], settings: Mapping[ProgramKey, Program]
) -> None:
    read = lookup.read
    if isinstance(read, GetAccount) and read.account_id:
        lookup.account_id = read.account_id
        return
    if isinstance(read, GetAccount | GetExpiring | GetSchedule):
        lookup.program = program_of(settings, lookup.caller, read.program_id)
        lookup.currency = currency_of(lookup.program, read.currency)
    name = _named_member(lookup)
    if name is not None:
        member_id = ids.get(name)
        if member_id is None:
            raise MemberNotFound("member")
        lookup.member_id = member_id
    elif _names_account(read) or (isinstance(read, GetLot) and read.lot_id < VENDOR_ID_END):
        raise InvalidField("member", "must be set")


# Lots and transactions


def _find(connection: Connection, lookups: Sequence[_Lookup]) -> _Rows:
    """Read the lots and transactions that are asked for, and what they are shown with."""
    _find_lots(connection, [lookup for lookup in _open(lookups) if isinstance(lookup.read, GetLot)])
    _find_transactions(
        connection, [lookup for lookup in _open(lookups) if isinstance(lookup.read, GetTransaction)]
    )
    earns = {(lookup.tenant_id, lookup.lot.lot_id) for lookup in lookups if lookup.lot is not None}
    earned: set[tuple[int, int]] = set()
    moved: set[tuple[int, int]] = set()
    for lookup in lookups:
        if lookup.transaction is not None:
            is_earn = lookup.transaction.type is TransactionType.EARN
            key = (lookup.tenant_id, lookup.transaction.transaction_id)
            (earned if is_earn else moved).add(key)
    return _Rows(
        earns=transactions.by_id(connection, earns),
        lots=lots.by_id(connection, earned),
        allocations=transactions.allocations_of(connection, dict.fromkeys(moved, ALLOCATIONS_MAX)),
        causes=causes(
            connection,
            [
                (lookup.tenant_id, lookup.transaction)
                for lookup in lookups
                if lookup.transaction is not None
            ],
        ),
        moved=expiry_changes.moved(connection, earns),
    )


def _find_lots(connection: Connection, lookups: Sequence[_Lookup]) -> None:
    own = {(a.tenant_id, lot_id) for a in lookups if (lot_id := _lot_id(a)) >= VENDOR_ID_END}
    vendors = {
        (a.tenant_id, a.member_id, lot_id)
        for a in lookups
        if (lot_id := _lot_id(a)) < VENDOR_ID_END
    }
    by_id = lots.by_id(connection, own)
    by_vendor_id = {
        (lot.member_id, lot.vendor_id): lot
        for lot in lots.by_vendor_id(connection, vendors).values()
    }
    for lookup in lookups:
        lot_id = _lot_id(lookup)
        lot = by_id.get(lot_id) or by_vendor_id.get((lookup.member_id, lot_id))
        if lot is None or lookup.member_id not in (0, lot.member_id):
            lookup.answer = LotNotFound("lot_id")
        else:
            lookup.lot, lookup.account_id = lot, lot.account_id


def _lot_id(lookup: _Lookup) -> int:
    return lookup.read.lot_id if isinstance(lookup.read, GetLot) else 0


def _find_transactions(connection: Connection, lookups: Sequence[_Lookup]) -> None:
    wanted = {
        (a.tenant_id, a.read.transaction_id) for a in lookups if isinstance(a.read, GetTransaction)
    }
    found = transactions.by_id(connection, wanted)
    for lookup in lookups:
        if isinstance(lookup.read, GetTransaction):
            lookup.transaction = found.get(lookup.read.transaction_id)
            if lookup.transaction is None:
                lookup.answer = TransactionNotFound("transaction_id")
            else:
                lookup.account_id = lookup.transaction.account_id


# Answers


def _load_labels(account_states: AccountLoader, lookups: Sequence[_Lookup]) -> None:
    """Load the labels of members that are shown, or have no account."""
    shown = {
        lookup.key
        for lookup in _open(lookups)
        if lookup.account_id and not isinstance(lookup.read, GetExpiring | GetSchedule)
    }
    without = {
        (lookup.tenant_id, lookup.member_id) for lookup in _open(lookups) if not lookup.account_id
    }
    if shown or without:
        account_states.load_labels(shown, without)


def _answer_rows(account_states: AccountLoader, lookups: Sequence[_Lookup], rows: _Rows) -> None:
    # A lot or transaction is found by its id alone; only its account tells whose it is, where
    # two tenants of a batch name the same id.
    for lookup in _open(lookups):
        account_state = account_states.get(*lookup.key)
        if lookup.lot is not None:
            earn = rows.earns.get(lookup.lot.lot_id)
            if account_state is None or earn is None:
                lookup.answer = LotNotFound("lot_id")
            else:
                lookup.answer = view_lot_now(
                    account_state, lookup.lot, earn, lookup.lot.lot_id in rows.moved
                )
        elif lookup.transaction is not None:
            number = lookup.transaction.transaction_id
            if account_state is None:
                lookup.answer = TransactionNotFound("transaction_id")
            else:
                parts, count = rows.allocations.get(number, FirstAllocations())
                lookup.answer = view_transaction_now(
                    account_state,
                    lookup.transaction,
                    rows.lots.get(number),
                    parts,
                    rows.causes.get(number),
                    allocation_count=count,
                )


def _answer_figures(
    connection: Connection, account_states: AccountLoader, lookups: Sequence[_Lookup]
) -> None:
    asked = []
    for lookup in _open(lookups):
        read = lookup.read
        if not isinstance(read, GetAccount | GetExpiring | GetSchedule):
            continue
        account_state = _account_state(account_states, lookup)
        if account_state is None:
            lookup.answer = AccountNotFound("account_id")
        else:
            asked.append((lookup, account_state, read))
    answers = report(connection, [(account_state, read) for _, account_state, read in asked])
    for (lookup, _, _), answer in zip(asked, answers, strict=True):
        lookup.answer = answer


def _account_state(account_states: AccountLoader, lookup: _Lookup) -> AccountState | None:
    if lookup.account_id or lookup.program is None or lookup.currency is None:
        return account_states.get(*lookup.key)
    return account_states.empty(lookup.tenant_id, lookup.member_id, lookup.program, lookup.currency)
