"""A machine that asks the ledger and a simple model of lots the same, and compares.

Commands, clocks and sweeps are random; what becomes of a call on its way is `carry_out`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import LedgerHarness, earn, expire, move, redeem
from tests.support.service.lot_model import FOREVER, IDLE, ModelAccount, ModelLot, Refused, end_of

from points_grpc.domain.commands import ChangeLotState, Command
from points_grpc.domain.model import LotState, ReasonType
from points_grpc.domain.policy import Immediate, InDays, Never
from points_grpc.domain.queries import GetLot
from points_grpc.domain.results import Earned
from points_grpc.service.writes.work import LedgerCall

START = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
MEMBERS = ("ann", "bob")
KINDS = ("earn",) * 3 + ("redeem", "move") * 2 + ("expire", "approve", "submit", "close")
REASONS = {"EARLY": ReasonType.EARLY_EXPIRY, "EXTEND": ReasonType.EXTEND_EXPIRY, "": None}


class SettableClock:
    """Stands wherever it was put."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@dataclass
class DrawnCommand:
    """A command to be, by the numbers that hypothesis draws."""

    kind: str
    member: int
    amount: int
    which: int
    days: int
    policy: str
    flag: bool
    reason: str


@dataclass
class Reply:
    """An answer, whose turn it was among those of its batch, and when (None: when asked)."""

    answer: Any
    turn: int = 0
    at: datetime | None = None

    @property
    def failed(self) -> bool:
        """Whether it is a refusal, or worse."""
        return isinstance(self.answer, Exception)


wishes = st.builds(
    DrawnCommand,
    kind=st.sampled_from(KINDS),
    member=st.sampled_from((0, 0, 0, 1)),
    amount=st.integers(1, 40),
    which=st.integers(0, 30),
    days=st.integers(0, 80),
    policy=st.sampled_from(("never", "month", "month", "year-end", "idle", "idle", "idle-first")),
    flag=st.booleans(),
    reason=st.sampled_from(("", "", "", "EARLY", "EXTEND")),
)


class LedgerMachine(RuleBasedStateMachine):
    """Every example has members of its own."""

    harness: LedgerHarness
    clock: SettableClock
    examples = count()

    def __init__(self) -> None:
        super().__init__()
        number = next(self.examples)
        self.clock.at = START
        self.names = [f"{name}{number}" for name in MEMBERS]
        self.model = [ModelAccount() for _ in MEMBERS]
        self.asked_at = self.decided_at = START
        self.kept: list[tuple[Command, Any]] = []
        self.requests = 0

    # Wishes, as commands and as the model takes them

    def command(self, wish: DrawnCommand) -> Command | None:
        """The command, under a request id of its own; None where it has no lot to name."""
        self.requests += 1
        name, request_id = self.names[wish.member], f"r{self.requests}"
        if wish.kind == "earn":
            return self.earn(wish, name, request_id)
        if wish.kind == "redeem":
            return redeem(wish.amount, name, request_id=request_id)
        if wish.kind == "expire":
            return expire(wish.amount, name, request_id=request_id, require_full=wish.flag)
        if (lot := self.lot_of(wish)) is None:
            return None
        if wish.kind == "move":
            to = Immediate() if wish.days < 9 else Never() if wish.days > 75 else InDays(wish.days)
            return replace(
                move(lot.number, to, member=name, reinstate=wish.flag, request_id=request_id),
                reason_type=REASONS[wish.reason],
            )
        state = {"approve": LotState.APPROVED, "submit": LotState.PENDING}
        approving = wish.kind == "approve" or (wish.kind == "close" and wish.flag)
        to_state = state.get(wish.kind, LotState.CLOSED)
        return ChangeLotState(lot.number, to_state, approving=approving, request_id=request_id)

    def earn(self, wish: DrawnCommand, name: str, request_id: str) -> Command:
        explicit = InDays(wish.which) if wish.reason == "EARLY" and wish.which else None
        return earn(
            wish.amount,
            name,
            request_id=request_id,
            policy=wish.policy,
            initial_state=self.first_state(wish),
            earn_at=self.earned_at(wish) if wish.reason == "EXTEND" else None,
            expiration=explicit,
        )

    def first_state(self, wish: DrawnCommand) -> LotState:
        if not wish.flag:
            return LotState.APPROVED
        return LotState(wish.which % 3 + 1)

    def earned_at(self, wish: DrawnCommand) -> datetime:
        return self.asked_at - timedelta(days=wish.days)

    def lot_of(self, wish: DrawnCommand) -> ModelLot | None:
        lots = [lot for lot in self.model[wish.member].lots if lot.number]
        return lots[wish.which % len(lots)] if lots else None

    def new_lot(self, wish: DrawnCommand, answer: Any) -> ModelLot:
        now = self.model[wish.member].now(self.decided_at)
        earned = self.earned_at(wish) if wish.reason == "EXTEND" else now
        fixed, expires = True, None
        if wish.reason == "EARLY" and wish.which:
            expires = end_of(earned + timedelta(days=wish.which))
        elif wish.policy == "month":
            expires = earned + timedelta(days=30)
        elif wish.policy == "year-end":
            expires = end_of(earned.replace(month=12, day=31))
            if expires <= earned:
                expires = expires.replace(year=earned.year + 1)
        elif wish.policy in IDLE:
            fixed = False
        number = answer.lot.lot_id if isinstance(answer, Earned) else 0
        state = self.first_state(wish).name
        return ModelLot(number, wish.policy, state, wish.amount, earned, fixed, expires)

    def expect(self, wish: DrawnCommand, lot: ModelLot | None, answer: Any) -> Any:
        """Let the model do it; what the answer must show. Raises Refused."""
        account = self.model[wish.member]
        now = account.now(self.decided_at)
        if wish.kind == "earn":
            return account.earn(self.new_lot(wish, answer), now)
        if not account.lots:
            raise Refused("MemberNotFound")
        if wish.kind == "redeem":
            return account.redeem(wish.amount, now)
        if wish.kind == "expire":
            return account.expire(wish.amount, now, wish.flag)
        assert lot is not None
        lot = next(one for one in account.lots if one.number == lot.number)
        if wish.kind == "move":
            to = "now" if wish.days < 9 else "never" if wish.days > 75 else ""
            end = end_of(now + timedelta(days=wish.days))
            return account.move(lot, to or end, now, wish.flag, wish.reason)
        if wish.kind == "approve":
            return account.approve(lot, now)
        if wish.kind == "submit":
            return account.submit(lot, now)
        return account.close(lot, now, wish.flag)

    # Steps

    @rule(
        drawn=st.lists(wishes, min_size=1, max_size=4),
        groups=st.sampled_from(("one", "each", "calls")),
        preview=st.sampled_from((False, False, False, True)),
    )
    def decide(self, drawn: list[DrawnCommand], groups: str, preview: bool) -> None:
        """Commands as one group, as items of a partial call, or as calls of one batch."""
        self.act(drawn, groups, preview)

    def signed(self, command: Command) -> Command:
        """The command as it is sent."""
        return command

    def carry_out(self, calls: Sequence[LedgerCall]) -> list[Reply]:
        """What is heard of a batch of calls in the end."""
        return [Reply(answer) for answers in self.harness.execute(*calls) for answer in answers]

    def act(self, drawn: list[DrawnCommand], groups: str, preview: bool = False) -> None:
        """Have the commands carried out, or previewed, by the ledger and by the model."""
        self.asked_at = self.clock.at
        found = [(wish, self.command(wish)) for wish in drawn]
        pairs = [(wish, self.signed(command)) for wish, command in found if command is not None]
        assume(pairs)
        lots = [self.lot_of(wish) for wish, _ in pairs]
        commands = [command for _, command in pairs]
        before = deepcopy(self.model)
        if preview:
            groups = "each" if groups == "calls" else groups
            answers = self.harness.preview(*commands, partial=groups == "each")
            heard = [Reply(answer) for answer in answers]
        elif groups == "calls":
            heard = self.carry_out([self.harness.call(command) for command in commands])
        else:
            heard = self.carry_out([self.harness.call(*commands, partial=groups == "each")])
        asked = list(zip([wish for wish, _ in pairs], lots, heard, strict=True))
        if groups == "one":
            self.believe_all(asked)
        else:
            for one in sorted(asked, key=lambda one: one[2].turn):
                self.believe_all([one])
        if preview:
            self.model = before
        else:
            done = zip(commands, heard, strict=True)
            kept = [(c, h.answer) for c, h in done if c.request_id and not h.failed]
            self.kept += [(command, replace(answer, replayed=False)) for command, answer in kept]
        self.compare()

    def believe_all(self, asked: Sequence[tuple[DrawnCommand, ModelLot | None, Reply]]) -> None:
        """Let the model do what is one group: all of it, or nothing for the first refusal."""
        before = deepcopy(self.model)
        for wish, lot, heard in asked:
            self.decided_at = heard.at or self.asked_at
            try:
                expected = self.expect(wish, lot, heard.answer)
            except Refused as refused:
                assert {type(h.answer).__name__ for _, _, h in asked} == {str(refused)}
                self.model = before
                return
            self.check(expected, wish, heard.answer)
        assert not any(heard.failed for _, _, heard in asked)

    def check(self, expected: Any, wish: DrawnCommand, answer: Any) -> None:
        if isinstance(answer, Exception):
            return  # of a group that another of its commands is refused for
        if wish.kind == "redeem" and all(expected):
            assert [lot for lot, _ in answer.transaction.allocations] == expected
        if wish.kind == "expire":
            assert answer.settled == expected
        if hasattr(answer, "account"):
            assert answer.account.available == self.model[wish.member].available

    @rule(which=st.integers(0, 50))
    def replay(self, which: int) -> None:
        """What was answered before is answered again, and nothing happens."""
        assume(self.kept)
        command, first = self.kept[which % len(self.kept)]
        assert self.harness.do(command) == replace(first, replayed=True)
        self.compare()

    @rule(days=st.integers(0, 25), seconds=st.sampled_from((0, 1, 3600, 57_000)))
    def wait(self, days: int, seconds: int) -> None:
        """Time passes."""
        self.clock.at += timedelta(days=days, seconds=seconds)
        self.compare()

    @rule()
    def wait_for_an_expiry(self) -> None:
        """Time passes to the very instant of the next expiry."""
        ends = [a.expiry(lot) for a in self.model for lot in a.lots if lot.unfinished]
        to_come = [at for at in ends if self.clock.at < at < FOREVER]
        assume(to_come)
        self.clock.at = min(to_come)
        self.compare()

    @rule()
    def sweep(self) -> None:
        """The sweep records, and changes nothing that can be seen."""
        list(self.harness.sweeper.sweep())
        self.lapse_all()
        self.compare()

    def lapse_all(self) -> None:
        """What a sweep has recorded."""
        for account in self.model:
            account.lapse(account.now(self.clock.at))

    # Comparison

    def compare(self) -> None:
        """What can be read is what the model says, as of now."""
        for name, account in zip(self.names, self.model, strict=True):
            if not account.lots:
                continue
            now = deepcopy(account)
            now.lapse(now.now(self.clock.at))
            view = self.harness.account(name)
            assert {key: getattr(view, key) for key in now.figures()} == now.figures()
            live = [
                now.expiry(lot) for lot in now.lots if lot.state == "APPROVED" and lot.remaining
            ]
            soonest = min(live, default=FOREVER)
            assert (view.next_expires_at or FOREVER) == soonest
            for lot in now.lots:
                self.compare_lot(lot, now)

    def compare_lot(self, lot: ModelLot, account: ModelAccount) -> None:
        view = self.harness.read(GetLot(lot.number))
        assert (view.state.name, view.remaining) == (lot.state, lot.remaining)
        if lot.unfinished or lot.lapsed:
            assert (view.expires_at or FOREVER) == account.expiry(lot)

    def teardown(self) -> None:
        """The tables agree with each other."""
        assert audit(self.harness.database) == []
