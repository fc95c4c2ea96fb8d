"""One process's ledgers over a database, used from one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from points_grpc.clock import Clock
from points_grpc.domain.admin.commands import CurrencyView, PolicyView, ProgramView
from points_grpc.domain.commands import (
    Caller,
    ChangeLotState,
    Command,
    Earn,
    Expire,
    MemberName,
    Redeem,
    UpdateExpiry,
)
from points_grpc.domain.model import LotState, Period, Policy, PolicyKind, TransactionType
from points_grpc.domain.policy import Expiration, ExpireAt, Immediate
from points_grpc.domain.queries import GetAccount
from points_grpc.domain.results import AccountView, Earned
from points_grpc.errors import Refusal
from points_grpc.service.admin.executor import AdminExecutor
from points_grpc.service.admin.members import MemberService
from points_grpc.service.admin.programs import ProgramService
from points_grpc.service.reads.lookups import Reader
from points_grpc.service.shared import retention
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.sweep.sweeper import Sweeper
from points_grpc.service.writes.gather import Locking
from points_grpc.service.writes.ledger import Ledger, LedgerTerms
from points_grpc.service.writes.work import LedgerCall, make_call
from points_grpc.storage.admin import currencies, programs
from points_grpc.storage.admin import policies as stored_policies
from points_grpc.storage.core.database import Connection, Database, Timeouts
from points_grpc.storage.core.ids import IdSource

START = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
PROGRAM = 469
IDLE_DAYS = 60

_EARN_OR_REDEEM = frozenset((TransactionType.EARN, TransactionType.REDEEM))


def policy(code: str, kind: PolicyKind, **more: Any) -> Policy:
    """A policy whose ids the program gives it."""
    return Policy(0, code, 1, kind, **more)


NEVER = policy("never", PolicyKind.NEVER)
POLICIES = (
    policy("month", PolicyKind.PERIOD, period=Period(days=30)),
    policy("year-end", PolicyKind.FIXED_DATES, dates=((12, 31),)),
    policy("idle", PolicyKind.INACTIVITY, period=Period(days=IDLE_DAYS)),
    policy(
        "idle-first",
        PolicyKind.INACTIVITY,
        period=Period(days=20),
        priority=-1,
        qualifying=frozenset((TransactionType.REDEEM,)),
    ),
)
"""Beside the default, under which points never expire."""


class LedgerHarness:
    """`ledger` leaves out accounts that are locked elsewhere, `patient` waits for them."""

    def __init__(self, url: str, clock: Clock, timeouts: Timeouts | None = None) -> None:
        self.clock = clock
        self.database = Database(url, timeouts)
        self.ids = IdSource(self.database.run)
        self.cache = ProgramCache()
        self.link = self.database.link(brief=True)
        self._patient_link = self.database.link()
        self.ledger = self.ledger_on(LedgerTerms())
        self.bulk = self.ledger_on(LedgerTerms(lots_max=None))
        self.patient = Ledger(
            self._patient_link,
            self.cache,
            self.ids,
            clock,
            LedgerTerms(Locking.WAIT, lots_max=None),
        )
        self.snapshot = self.database.link(snapshot=True)
        self.sweeper = Sweeper(self.database, self.cache, self.ids, clock)
        self._reader = Reader(clock, self.cache)
        self.acme = Caller(1, "acme", "anna@acme", PROGRAM)
        self.rival = Caller(2, "rival", "rita@rival", PROGRAM)

    def ledger_on(self, terms: LedgerTerms) -> Ledger:
        """A ledger on the harness's first link."""
        return Ledger(self.link, self.cache, self.ids, self.clock, terms)

    def close(self) -> None:
        """Close every connection for good."""
        self.hang_up()
        self.database.close()

    def hang_up(self) -> None:
        """Close every connection; each opens again when it is used."""
        self.link.close()
        self._patient_link.close()
        self.snapshot.close()
        self.sweeper.close()

    # Settings

    def administrate(self, work: Callable[[ProgramService, MemberService], Any]) -> Any:
        """What an administrator's coroutine returns."""
        desk = AdminExecutor(self.database, self.clock)
        try:
            return asyncio.run(work(ProgramService(desk, self.ids), MemberService(desk, self.ids)))
        finally:
            desk.close()

    def open_program(
        self,
        caller: Caller | None = None,
        program_id: int = PROGRAM,
        *,
        policies: Sequence[Policy] = POLICIES,
        auto_enroll: bool = True,
    ) -> None:
        """A program with PTS (scale 0, the default) and EUR (scale 2), each with `policies`."""
        tenant_id = (caller or self.acme).tenant_id
        now = self.clock.now()
        with self.link.unit() as at:
            view = ProgramView(program_id, "Club", "UTC", auto_enroll, "", 1, now, now)
            programs.insert_program(at, tenant_id, view)
            for code, scale in (("PTS", 0), ("EUR", 2)):
                number = self.ids.new_id(0)
                currency = CurrencyView(
                    number, program_id, code, scale, "points", 0, "never", now, now
                )
                currencies.insert_currency(at, tenant_id, currency)
                for one in (NEVER, *policies):
                    version = replace(one, policy_version_id=self.ids.new_id(0))
                    of_policy = PolicyView(version, program_id, number, code, now)
                    stored_policies.insert_policy(at, tenant_id, of_policy)
                if code == "PTS":
                    programs.set_default_currency(at, (tenant_id, program_id), number)
            programs.touch(at, (tenant_id, program_id), now)

    def promise(self, days: int) -> int:
        """Remember request ids for so many days at least; for how many that is."""
        return int(self.look(lambda at: retention.promise(at, days, self.clock.now())))

    # Writing

    def execute(self, *calls: LedgerCall) -> list[Any]:
        """One batch: each call's answers, one per command, refusals in their places.

        A group that was kept from being decided has None.
        """
        self.ledger.execute(calls)
        return [outcomes(call) for call in calls]

    def call(
        self, *commands: Command, partial: bool = False, caller: Caller | None = None
    ) -> LedgerCall:
        """A call of these commands."""
        return make_call(caller or self.acme, commands, partial)

    def do(self, command: Command, caller: Caller | None = None) -> Any:
        """The answer to one command; raises its failure."""
        call = self.call(command, caller=caller)
        self.ledger.execute([call])
        group = call.groups[0]
        assert group.settled, "the command was left over"
        if group.failure is not None:
            raise group.failure
        return group.results[0]

    def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """The outcomes of one call of these commands."""
        return list(self.execute(self.call(*commands))[0])

    def refusal(self, command: Command, caller: Caller | None = None) -> Refusal:
        """What the command is refused with."""
        try:
            answer = self.do(command, caller)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"not refused: {answer}")

    def preview(self, *commands: Command, partial: bool = False) -> list[Any]:
        """What a `validate_only` call would answer."""
        call = self.call(*commands, partial=partial)
        with self.snapshot.unit() as connection:
            assert self.bulk.preview(connection, [call]) == []
        return outcomes(call)

    # Reading

    def account(self, member: str = "ann", currency: str = "PTS") -> AccountView:
        """An account as callers see it now."""
        return self.read(GetAccount(PROGRAM, named(member), currency))

    def read(self, query: Any, caller: Caller | None = None) -> Any:
        """The answer to one read."""
        with self.snapshot.unit() as connection:
            (answer,) = self._reader.answer(connection, [(caller or self.acme, query)])
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def look(self, work: Callable[[Connection], Any]) -> Any:
        """What `work` finds in a unit of work of its own."""
        return self.database.run(work)


def outcomes(call: LedgerCall) -> list[Any]:
    """One per command: its answer, its group's failure, or None where nothing was decided."""
    return [
        group.failure or (group.results[place] if group.results else None)
        for group in call.groups
        for place in range(len(group.commands))
    ]


def named(member: str | int) -> MemberName:
    """A member by external id."""
    return MemberName("external_id", str(member))


def earn(amount: int | str = 100, member: str = "ann", **more: Any) -> Earn:
    """An Earn in PTS."""
    who = more.pop("name", None) or named(member)
    currency = more.pop("currency", "PTS")
    program_id = more.pop("program_id", PROGRAM)
    return Earn(program_id, who, currency, Decimal(amount), **more)


def redeem(amount: int | str, member: str = "ann", **more: Any) -> Redeem:
    """A Redeem in PTS."""
    currency = more.pop("currency", "PTS")
    return Redeem(
        PROGRAM, more.pop("name", None) or named(member), currency, Decimal(amount), **more
    )


def expire(amount: int | str, member: str = "ann", **more: Any) -> Expire:
    """An Expire in PTS."""
    return Expire(PROGRAM, named(member), more.pop("currency", "PTS"), Decimal(amount), **more)


def move(lot: int | Earned, to: Expiration | datetime | None = None, **more: Any) -> UpdateExpiry:
    """An item of an UpdateExpiry; without a destination it is immediate."""
    lot_id = lot if isinstance(lot, int) else lot.lot.lot_id
    to = Immediate() if to is None else ExpireAt(to) if isinstance(to, datetime) else to
    return UpdateExpiry(
        PROGRAM, more.pop("name", None) or named(more.pop("member", "ann")), lot_id, to, **more
    )


def moves(request_id: str, mark: bytes, *items: UpdateExpiry) -> tuple[UpdateExpiry, ...]:
    """The items of one UpdateExpiry; `mark` stands for its whole content."""
    return tuple(
        replace(item, request_id=request_id, index=index, call_fingerprint=mark)
        for index, item in enumerate(items)
    )


def approve(earned: Earned, **more: Any) -> ChangeLotState:
    """Approve a lot, by ApproveTransactions."""
    return ChangeLotState(earned.lot.lot_id, LotState.APPROVED, approving=True, **more)


def update_status(earned: Earned, state: LotState, **more: Any) -> ChangeLotState:
    """Move a lot's state, by UpdateTransactionStatus."""
    return ChangeLotState(earned.lot.lot_id, state, approving=False, **more)
