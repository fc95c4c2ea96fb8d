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
from points_grpc.service.reads.reports import figures
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
from points_grpc.storage.core.pipeline import together
from points_grpc.storage.ledger import expiry_changes, lots, transactions
from points_grpc.storage.ledger.accounts import AccountKey
from points_grpc.storage.ledger.transactions import FirstAllocations
from points_grpc.storage.reads.expiration_causes import causes

View = AccountView | LotView | TransactionView | Expiring | Schedule


@dataclass(slots=True)
class _Ask:
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
        """Whose data it may see."""
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
        asks = [_Ask(caller, read) for caller, read in batch]
        named = {name for ask in asks if (name := _named_member(ask)) is not None}
        versions, known = together(
            connection, programs.versions(_programs_named(asks)), finding(named)
        )
        settings = self._programs.of_versions(connection, versions)
        people = NamedMembers(connection, named, known)
        _resolve(people, asks, settings)
        rows = _find(connection, asks)
        account_states = AccountLoader(
            connection, self._programs, settings, self._clock, people.labels
        )
        account_states.load({ask.key for ask in _open(asks) if ask.account_id})
        _load_labels(account_states, asks)
        _answer_rows(account_states, asks, rows)
        _answer_figures(connection, account_states, asks)
        return [_answer_of(ask) for ask in asks]


def _answer_of(ask: _Ask) -> View | Refusal:
    if ask.answer is None:
        raise LookupError("a read was left without an answer")
    return ask.answer


def _open(asks: Sequence[_Ask]) -> list[_Ask]:
    return [ask for ask in asks if ask.answer is None]


# Names


def _names_account(read: Read) -> bool:
    """Whether a read names an account by program, member and currency."""
    if isinstance(read, GetAccount):
        return not read.account_id
    return isinstance(read, GetExpiring | GetSchedule)


def _programs_named(asks: Sequence[_Ask]) -> set[ProgramKey]:
    return {
        program_key(ask.caller, ask.read.program_id)
        for ask in asks
        if isinstance(ask.read, GetAccount | GetExpiring | GetSchedule) and _names_account(ask.read)
    }


def _named_member(ask: _Ask) -> NamedMember | None:
    read = ask.read
    if isinstance(read, GetTransaction) or read.member is None:
        return None
    return ask.tenant_id, read.member


def _resolve(
    people: NamedMembers, asks: Sequence[_Ask], settings: Mapping[ProgramKey, Program]
) -> None:
    """Find what the names in each read stand for, up to the account."""
    for ask in asks:
        try:
            _resolve_one(ask, people.ids, settings)
        except Refusal as refusal:
            ask.answer = refusal
    wanted = {
        (ask.tenant_id, ask.member_id, ask.currency.currency_id)
        for ask in _open(asks)
        if ask.currency is not None
    }
    found = people.accounts(wanted)
    for ask in _open(asks):
        if ask.currency is not None:
            pair = (ask.tenant_id, ask.member_id, ask.currency.currency_id)
            ask.account_id = found.get(pair, 0)


def _resolve_one(
    ask: _Ask, ids: Mapping[NamedMember, int], settings: Mapping[ProgramKey, Program]
) -> None:
    read = ask.read
    if isinstance(read, GetAccount) and read.account_id:
        ask.account_id = read.account_id
        return
    if isinstance(read, GetAccount | GetExpiring | GetSchedule):
        ask.program = program_of(settings, ask.caller, read.program_id)
        ask.currency = currency_of(ask.program, read.currency)
    name = _named_member(ask)
    if name is not None:
        member_id = ids.get(name)
        if member_id is None:
            raise MemberNotFound("member")
        ask.member_id = member_id
    elif _names_account(read) or (isinstance(read, GetLot) and read.lot_id < VENDOR_ID_END):
        raise InvalidField("member", "must be set")


# Lots and transactions


def _find(connection: Connection, asks: Sequence[_Ask]) -> _Rows:
    """Read the lots and transactions that are asked for, and what they are shown with."""
    _find_lots(connection, [ask for ask in _open(asks) if isinstance(ask.read, GetLot)])
    _find_transactions(
        connection, [ask for ask in _open(asks) if isinstance(ask.read, GetTransaction)]
    )
    earns = {(ask.tenant_id, ask.lot.lot_id) for ask in asks if ask.lot is not None}
    earned: set[tuple[int, int]] = set()
    moved: set[tuple[int, int]] = set()
    for ask in asks:
        if ask.transaction is not None:
            is_earn = ask.transaction.type is TransactionType.EARN
            key = (ask.tenant_id, ask.transaction.transaction_id)
            (earned if is_earn else moved).add(key)
    return _Rows(
        earns=transactions.by_id(connection, earns),
        lots=lots.by_id(connection, earned),
        allocations=transactions.allocations_of(connection, dict.fromkeys(moved, ALLOCATIONS_MAX)),
        causes=causes(
            connection,
            [(ask.tenant_id, ask.transaction) for ask in asks if ask.transaction is not None],
        ),
        moved=expiry_changes.moved(connection, earns),
    )


def _find_lots(connection: Connection, asks: Sequence[_Ask]) -> None:
    own = {(a.tenant_id, lot_id) for a in asks if (lot_id := _lot_id(a)) >= VENDOR_ID_END}
    vendors = {
        (a.tenant_id, a.member_id, lot_id) for a in asks if (lot_id := _lot_id(a)) < VENDOR_ID_END
    }
    by_id = lots.by_id(connection, own)
    by_vendor_id = {
        (lot.member_id, lot.vendor_id): lot
        for lot in lots.by_vendor_id(connection, vendors).values()
    }
    for ask in asks:
        lot_id = _lot_id(ask)
        lot = by_id.get(lot_id) or by_vendor_id.get((ask.member_id, lot_id))
        if lot is None or ask.member_id not in (0, lot.member_id):
            ask.answer = LotNotFound("lot_id")
        else:
            ask.lot, ask.account_id = lot, lot.account_id


def _lot_id(ask: _Ask) -> int:
    return ask.read.lot_id if isinstance(ask.read, GetLot) else 0


def _find_transactions(connection: Connection, asks: Sequence[_Ask]) -> None:
    wanted = {
        (a.tenant_id, a.read.transaction_id) for a in asks if isinstance(a.read, GetTransaction)
    }
    found = transactions.by_id(connection, wanted)
    for ask in asks:
        if isinstance(ask.read, GetTransaction):
            ask.transaction = found.get(ask.read.transaction_id)
            if ask.transaction is None:
                ask.answer = TransactionNotFound("transaction_id")
            else:
                ask.account_id = ask.transaction.account_id


# Answers


def _load_labels(account_states: AccountLoader, asks: Sequence[_Ask]) -> None:
    """How the members are called that are shown, or have no account."""
    shown = {
        ask.key
        for ask in _open(asks)
        if ask.account_id and not isinstance(ask.read, GetExpiring | GetSchedule)
    }
    without = {(ask.tenant_id, ask.member_id) for ask in _open(asks) if not ask.account_id}
    if shown or without:
        account_states.load_labels(shown, without)


def _answer_rows(account_states: AccountLoader, asks: Sequence[_Ask], rows: _Rows) -> None:
    # A lot or transaction is found by its id alone; only its account tells whose it is, where
    # two tenants of a batch name the same id.
    for ask in _open(asks):
        account_state = account_states.get(*ask.key)
        if ask.lot is not None:
            earn = rows.earns.get(ask.lot.lot_id)
            if account_state is None or earn is None:
                ask.answer = LotNotFound("lot_id")
            else:
                ask.answer = view_lot_now(
                    account_state, ask.lot, earn, ask.lot.lot_id in rows.moved
                )
        elif ask.transaction is not None:
            number = ask.transaction.transaction_id
            if account_state is None:
                ask.answer = TransactionNotFound("transaction_id")
            else:
                parts, count = rows.allocations.get(number, FirstAllocations())
                ask.answer = view_transaction_now(
                    account_state,
                    ask.transaction,
                    rows.lots.get(number),
                    parts,
                    rows.causes.get(number),
                    allocation_count=count,
                )


def _answer_figures(
    connection: Connection, account_states: AccountLoader, asks: Sequence[_Ask]
) -> None:
    asked = []
    for ask in _open(asks):
        read = ask.read
        if not isinstance(read, GetAccount | GetExpiring | GetSchedule):
            continue
        account_state = _account_state(account_states, ask)
        if account_state is None:
            ask.answer = AccountNotFound("account_id")
        else:
            asked.append((ask, account_state, read))
    answers = figures(connection, [(account_state, read) for _, account_state, read in asked])
    for (ask, _, _), answer in zip(asked, answers, strict=True):
        ask.answer = answer


def _account_state(account_states: AccountLoader, ask: _Ask) -> AccountState | None:
    if ask.account_id or ask.program is None or ask.currency is None:
        return account_states.get(*ask.key)
    return account_states.empty(ask.tenant_id, ask.member_id, ask.program, ask.currency)
