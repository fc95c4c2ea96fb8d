"""One account's story, told a step at a time, without a database.

    story = Story().at("2025-01-01").earn(100, "a", expires="2025-02-01").redeem(30)
    assert story.ledger == ["2025-01-01 EARN 100", "2025-01-01 REDEEM 30 a:30"]

Each step is a batch and a group of its own, unless `together` makes one batch of several or
`grouped` one group. A batch is handed only the lots that gathering would load for it, so that
decisions prove to need no more. After every step the books are audited.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from tests.support.domain.account_audit import audit, audit_answer

from points_grpc.domain.commands import (
    ChangeLotState,
    Command,
    Earn,
    Expire,
    Lapse,
    MemberName,
    Redeem,
    UpdateExpiry,
)
from points_grpc.domain.decisions import decide
from points_grpc.domain.lapse import may_be_due
from points_grpc.domain.model import (
    Currency,
    LotState,
    Period,
    Policy,
    PolicyKind,
    Program,
    TransactionType,
)
from points_grpc.domain.policy import Expiration, ExpireAt
from points_grpc.domain.results import Answer, MemberLabel
from points_grpc.domain.spending import spending_key
from points_grpc.domain.state import (
    Account,
    AccountState,
    Allocation,
    BatchState,
    ChangeSet,
    LedgerEntries,
    Lot,
    Member,
    NeedMoreLots,
    ResolvedCommand,
    Transaction,
)
from points_grpc.errors import Refusal

NAME = MemberName("external_id", "anna")
ACCOUNT_ID, MEMBER_ID, CURRENCY_ID, PROGRAM_ID = 7, 5, 3, 1
TICK = timedelta(microseconds=1)
R = TypeVar("R", bound=Refusal)

NEVER = Policy(1, "never", 1, PolicyKind.NEVER)
MONTHLY = Policy(2, "monthly", 1, PolicyKind.PERIOD, period=Period(months=1))
IDLE = Policy(3, "idle", 1, PolicyKind.INACTIVITY, period=Period(days=30))
IDLE_REDEEM = Policy(
    4,
    "idle_redeem",
    1,
    PolicyKind.INACTIVITY,
    period=Period(days=10),
    qualifying=frozenset((TransactionType.REDEEM,)),
)
FIRST = Policy(5, "first", 1, PolicyKind.NEVER, priority=-1)
LAST = Policy(6, "last", 1, PolicyKind.NEVER, priority=1)
POLICIES = (NEVER, MONTHLY, IDLE, IDLE_REDEEM, FIRST, LAST)


def instant(when: str | datetime) -> datetime:
    """`2025-01-31` or `2025-01-31 23:59:59` as an instant in UTC."""
    return when if isinstance(when, datetime) else datetime.fromisoformat(when).replace(tzinfo=UTC)


def written(at: datetime) -> str:
    """The shortest form that `instant` reads as `at`."""
    text = str(at.astimezone(UTC).replace(tzinfo=None))
    return text.removesuffix(" 00:00:00")


def make_program(zone: str = "UTC", scale: int = 0, policies: tuple[Policy, ...] = ()) -> Program:
    """A program with one currency, whose default policy is `never`."""
    every = (*POLICIES, *policies)
    currency = Currency(
        CURRENCY_ID, "POINTS", scale, "Points", 1, "never", {p.code: p for p in every}
    )
    return Program(
        PROGRAM_ID,
        1,
        "Story",
        ZoneInfo(zone),
        True,
        CURRENCY_ID,
        {CURRENCY_ID: currency},
        {p.policy_version_id: p for p in every},
    )


class AccountScenario:
    """An account, everything that was decided about it, and the instant it is now."""

    def __init__(
        self,
        zone: str = "UTC",
        scale: int = 0,
        policies: tuple[Policy, ...] = (),
        loads: int = 32,
        enrolled: bool = True,
    ) -> None:
        self.program = make_program(zone, scale, policies)
        self.member = Member(1, MemberLabel(MEMBER_ID, 0, NAME.value), persisted=enrolled)
        self.now = instant("2025-01-01")
        self.loads = loads
        self.account = Account(
            1, ACCOUNT_ID, PROGRAM_ID, MEMBER_ID, CURRENCY_ID, self.now, self.now, persisted=False
        )
        self.shelf: dict[int, Lot] = {}
        self.entries = LedgerEntries()
        self.names: dict[str, int] = {}
        self.answer: Answer | None = None
        self.audited = True
        self._ids = count(2**46)
        self._batch: tuple[BatchState, AccountState] | None = None
        self._draft: ChangeSet | None = None

    # Time

    def at(self, when: str | datetime) -> AccountScenario:
        """Let it be that instant."""
        self.now = instant(when)
        return self

    # Steps

    def earn(self, amount: object, lot: str = "", **more: Any) -> AccountScenario:
        """Earn a lot that is called `lot`; `expires` is an instant or an Expiration."""
        if "expires" in more:
            more["expiration"] = _expiration(more.pop("expires"))
        if "earned" in more:
            more["earn_at"] = instant(more.pop("earned"))
        self.do(Earn(PROGRAM_ID, NAME, None, Decimal(str(amount)), **more))
        if lot:
            self.names[lot] = self.answer.lot.lot_id  # type: ignore[union-attr]
        return self

    def redeem(self, amount: object, **more: Any) -> AccountScenario:
        """Spend points."""
        return self.do(Redeem(PROGRAM_ID, NAME, None, Decimal(str(amount)), **more))

    def expire(self, amount: object, **more: Any) -> AccountScenario:
        """Expire points on demand."""
        return self.do(Expire(PROGRAM_ID, NAME, None, Decimal(str(amount)), **more))

    def move(self, lot: str, to: str | Expiration, **more: Any) -> AccountScenario:
        """Give a lot another expiry."""
        lot_id = self.names.get(lot, 999)
        return self.do(UpdateExpiry(PROGRAM_ID, NAME, lot_id, _expiration(to), **more), lot_id)

    def update(self, lot: str, state: LotState, **more: Any) -> AccountScenario:
        """Ask UpdateTransactionStatus for a state."""
        return self._move_state(lot, state, approving=False, **more)

    def approve(
        self, lot: str, state: LotState = LotState.APPROVED, **more: Any
    ) -> AccountScenario:
        """Ask ApproveTransactions for a state."""
        return self._move_state(lot, state, approving=True, **more)

    def lapse(self) -> AccountScenario:
        """Record what has expired, as a sweep does."""
        return self.do(Lapse(ACCOUNT_ID))

    def _move_state(
        self, lot: str, state: LotState, approving: bool, **more: Any
    ) -> AccountScenario:
        lot_id = self.names.get(lot, 999)
        return self.do(ChangeLotState(lot_id, state, approving, **more), lot_id)

    def do(self, command: Command, lot_id: int = 0) -> AccountScenario:
        """Decide a command; a refusal drops its group and is raised."""
        if self._batch is None:
            with self.together():
                return self.do(command, lot_id)
        if self._draft is None:
            with self.grouped():
                return self.do(command, lot_id)
        batch_state, account_state = self._batch
        self._load(account_state, command, lot_id)
        if lot_id in account_state.lots:
            rows = [*self._transactions(), *self._draft.entries.transactions]
            batch_state.earns = {row.transaction_id: row for row in rows}
        else:
            lot_id = 0
        self.answer = decide(ResolvedCommand(command, account_state, lot_id), self._draft)
        audit_answer(self.answer, account_state)
        return self

    @contextmanager
    def refused(self, refusal: type[R]) -> Iterator[pytest.ExceptionInfo[R]]:
        """The step within is refused, as `pytest.raises` tells, and everything stays as it was."""
        before = self.snapshot()
        with pytest.raises(refusal) as refused:
            yield refused
        assert self.snapshot() == before

    @contextmanager
    def together(self) -> Iterator[AccountScenario]:
        """The steps within are one batch."""
        batch_state = BatchState(
            vendor_lots={
                (MEMBER_ID, lot.vendor_id): k for k, lot in self.shelf.items() if lot.vendor_id
            }
        )
        account_state = AccountState(
            self.account,
            self.member,
            self.program,
            self.program.currencies[CURRENCY_ID],
            max(self.now, self.account.last_at),
        )
        batch_state.account_states[ACCOUNT_ID] = account_state
        self._load_due(account_state)
        self._batch = (batch_state, account_state)
        try:
            yield self
        finally:
            self._batch = None
            self.shelf.update(account_state.lots)
            self.entries.transactions += batch_state.entries.transactions
            self.entries.allocations += batch_state.entries.allocations
            self.entries.changes += batch_state.entries.changes
        if self.audited:
            audit(self)

    @contextmanager
    def grouped(self, keep: bool = True) -> Iterator[AccountScenario]:
        """The steps within are one group of the batch, kept or dropped whole."""
        assert self._batch is not None
        self._draft = ChangeSet(self._batch[0], self._new_id, "tester")
        names = dict(self.names)
        try:
            yield self
        except (Refusal, NeedMoreLots):
            keep = False
            raise
        finally:
            change_set, self._draft = self._draft, None
            if keep:
                change_set.commit()
            else:
                change_set.rollback()
                self.names = names

    def _new_id(self, bucket: int) -> int:
        assert bucket == ACCOUNT_ID, "an account's rows lie in its own bucket"
        return next(self._ids)

    def having_earned(self, total: int) -> AccountScenario:
        """Pretend that so much was earned and spent long ago; the figures no longer agree."""
        self.account.total_earned = self.account.total_redeemed = total
        self.audited = False
        return self

    # What gathering loads

    def _load_due(self, account_state: AccountState) -> None:
        if not may_be_due(self.account.next_due_at, account_state.now):
            return
        fixed = [i for i in self.shelf.values() if i.unfinished and not i.rule and i.expires_at]
        due = [i for i in fixed if i.expires_at <= account_state.now]  # type: ignore[operator]
        due += [i for i in self.shelf.values() if i.unfinished and i.rule]
        account_state.lots.update({i.lot_id: i for i in due})
        to_come = [i.expires_at for i in fixed if i.expires_at > account_state.now]  # type: ignore
        account_state.next_fixed_due_at = min(to_come, default=None)  # type: ignore[type-var]

    def _load(self, account_state: AccountState, command: Command, lot_id: int) -> None:
        if lot_id in self.shelf:
            account_state.lots.setdefault(lot_id, self.shelf[lot_id])
        if not isinstance(command, Redeem | Expire) or account_state.loaded_until:
            return
        streams: dict[int, list[Lot]] = {}
        for lot in self.shelf.values():
            if lot.unfinished and lot.state is LotState.APPROVED:
                streams.setdefault(lot.rule, []).append(lot)
        for rule, lots in streams.items():
            lots.sort(key=_stored_order)
            for lot in lots[: self.loads]:
                account_state.lots.setdefault(lot.lot_id, lot)
            if len(lots) >= self.loads:
                last = lots[self.loads - 1]
                account_state.loaded_until[rule] = (
                    last.priority,
                    last.expires_at,
                    last.earned_at,
                    last.lot_id,
                )

    def load_everything(self) -> None:
        """Answer NeedMoreLots: from now on the batch has every lot."""
        assert self._batch is not None
        _, account_state = self._batch
        for lot in self.shelf.values():
            account_state.lots.setdefault(lot.lot_id, lot)
        account_state.loaded_until.clear()
        self.loads = 10**9

    # What can be seen

    @property
    def available(self) -> int:
        """What the account has available, as last recorded."""
        return self.account.available

    @property
    def pending(self) -> int:
        """What the account has pending, as last recorded."""
        return self.account.pending

    @property
    def due(self) -> str | None:
        """The account's bound on what is due next."""
        at = self.account.next_due_at
        return at if at is None else written(at)

    @property
    def ledger(self) -> list[str]:
        """Every transaction: when it took effect, type, amount, and the lots it moved."""
        return [self._line(row) for row in self._transactions()]

    @property
    def account_state(self) -> AccountState:
        """The account with all its lots, as of now."""
        currency = self.program.currencies[CURRENCY_ID]
        return AccountState(self.account, self.member, self.program, currency, self.now, self.shelf)

    def lot(self, name: str) -> Lot:
        """The lot of that name."""
        lots = self.shelf if self._batch is None else {**self.shelf, **self._batch[1].lots}
        return lots[self.names[name]]

    def left(self, *names: str) -> list[int]:
        """What remains of each lot."""
        return [self.lot(name).remaining for name in names]

    def expiry(self, name: str) -> str | None:
        """When the lot expires as things stand."""
        at = self.account_state.expiry_of(self.lot(name))
        return at if at is None else written(at)

    def snapshot(self) -> tuple[object, ...]:
        """Everything there is, for comparing."""
        lots = self.shelf if self._batch is None else {**self.shelf, **self._batch[1].lots}
        return (
            replace(self.account),
            replace(self.member),
            {key: replace(lot) for key, lot in lots.items()},
            self.ledger,
            len(self.entries.changes),
            dict(self._batch[0].vendor_lots) if self._batch else None,
        )

    def _transactions(self) -> list[Transaction]:
        decided = self._batch[0].entries.transactions if self._batch else []
        return [*self.entries.transactions, *decided]

    def _allocations(self) -> list[Allocation]:
        decided = self._batch[0].entries.allocations if self._batch else []
        return [*self.entries.allocations, *decided]

    def _line(self, row: Transaction) -> str:
        called = {lot_id: name for name, lot_id in self.names.items()}
        parts = [
            f"{called.get(a.lot_id, a.lot_id)}:{a.amount}"
            for a in self._allocations()
            if a.transaction_id == row.transaction_id
        ]
        return " ".join([written(row.effective_at), row.type.name, str(row.amount), *parts])


def _expiration(when: str | datetime | Expiration) -> Expiration:
    return ExpireAt(instant(when)) if isinstance(when, str | datetime) else when


def _stored_order(lot: Lot) -> tuple[object, ...]:
    return spending_key(lot.priority, lot.expires_at, lot.earned_at, lot.lot_id)
