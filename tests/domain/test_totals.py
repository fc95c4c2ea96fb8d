"""Whatever is decided, nothing is created or lost; random stories against a model of lots.

The model knows only amounts and fixed expiries: it is written without the code it checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.domain.account_scenario import AccountScenario

from points_grpc.domain.model import LotState, ReasonType
from points_grpc.domain.policy import ExpireAt, Immediate, InDays, Never
from points_grpc.domain.state import NeedMoreLots
from points_grpc.errors import Refusal

OPEN, PENDING, APPROVED, CLOSED = LotState
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Step:
    """A step that is still to be told: what, of which lot (by its place), and how."""

    name: str
    lot: int = 0
    amount: int = 1
    more: tuple[tuple[str, Any], ...] = ()


def steps(name: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """Steps of one name, with the values drawn for them."""
    drawn = st.fixed_dictionaries(more).map(lambda values: tuple(values.items()))
    return st.builds(Step, st.just(name), st.integers(0, 9), st.integers(1, 25), drawn)


HOURS = st.integers(0, 24 * 45)
EXPIRIES = st.one_of(
    st.just(Never()),
    st.builds(InDays, st.integers(0, 40)),
    HOURS.map(lambda hours: hours * HOUR),
)
EARNS = steps(
    "earn",
    policy=st.sampled_from(["", "monthly", "idle", "idle_redeem", "first", "last"]),
    initial_state=st.sampled_from([OPEN, PENDING, APPROVED, APPROVED, APPROVED]),
    ago=st.one_of(st.just(0), st.just(0), HOURS),
    expires=st.one_of(st.none(), st.none(), EXPIRIES),
)
STEPS = st.one_of(
    EARNS,
    EARNS,
    EARNS,
    steps("redeem"),
    steps("redeem"),
    steps("expire", require_full=st.booleans()),
    steps(
        "move",
        to=st.one_of(EXPIRIES, st.just(Immediate())),
        reason_type=st.sampled_from([None, None, *ReasonType]),
        reinstate=st.booleans(),
    ),
    steps("update", state=st.sampled_from([PENDING, CLOSED])),
    steps("approve", state=st.sampled_from([APPROVED, APPROVED, CLOSED])),
    steps("lapse"),
)
Group = tuple[bool, list[Step]]
Batch = tuple[int, list[Group]]

GROUPS = st.tuples(
    st.sampled_from([True, True, True, False]), st.lists(STEPS, min_size=1, max_size=2)
)
PLANS = st.tuples(
    st.lists(st.tuples(st.just(True), EARNS.map(lambda step: [step])), min_size=4, max_size=10),
    st.lists(
        st.tuples(st.integers(0, 24 * 12), st.lists(GROUPS, min_size=1, max_size=5)),
        min_size=2,
        max_size=8,
    ),
).map(lambda plan: [(0, plan[0]), *plan[1]])
"""Batches, of which the first earns some lots; each begins some hours after the last."""


class Teller:
    """Tells drawn steps to a story."""

    def __init__(self, scenario: AccountScenario) -> None:
        self.scenario = scenario
        self.lots = 0

    def batch(self, hours: int, groups: list[Group]) -> None:
        """Tell a batch, `hours` after the last; as the ledger does it, lots are loaded late."""
        self.scenario.at(self.scenario.now + hours * HOUR)
        with self.scenario.together():
            for keep, group in groups:
                self.group(keep, group)

    def group(self, keep: bool, group: list[Step]) -> None:
        """Tell a group, and see that it is kept or dropped whole."""
        before, lots = self.scenario.snapshot(), self.lots
        loads = self.scenario.loads
        try:
            with self.scenario.grouped(keep):
                for step in group:
                    self.step(step)
        except NeedMoreLots:
            assert self.scenario.snapshot() == before
            self.lots = lots
            self.scenario.load_everything()
            self.group(keep, group)
            self.scenario.loads = loads
            return
        except Refusal:
            keep = False
        if not keep:
            self.lots = lots
            assert self.scenario.snapshot() == before

    def step(self, step: Step) -> None:
        """Tell one step."""
        scenario, more = self.scenario, dict(step.more)
        name = str(step.lot % max(self.lots, 1))
        tell: dict[str, Callable[[], object]] = {
            "earn": lambda: self.earn(step.amount, more),
            "redeem": lambda: scenario.redeem(step.amount),
            "expire": lambda: scenario.expire(step.amount, **more),
            "move": lambda: scenario.move(name, self.expiration(more.pop("to")), **more),
            "update": lambda: scenario.update(name, more["state"]),
            "approve": lambda: scenario.approve(name, more["state"]),
            "lapse": scenario.lapse,
        }
        tell[step.name]()

    def earn(self, amount: int, more: dict[str, Any]) -> None:
        """Earn a lot that is called by its place."""
        earned = self.scenario.now - more.pop("ago") * HOUR
        expires = more.pop("expires")
        if expires is not None:
            more["expires"] = self.expiration(expires, earned)
        self.scenario.earn(amount, str(self.lots), earned=earned, **more)
        self.lots += 1

    def expiration(self, drawn: object, base: datetime | None = None) -> Any:
        """An expiration; one that was drawn as a length counts from `base`."""
        if isinstance(drawn, timedelta):
            return ExpireAt((base or self.scenario.now) + drawn)
        return drawn


@settings(derandomize=True, max_examples=120, deadline=None)
@given(PLANS, st.sampled_from([1, 2, 32]))
def test_nothing_created_or_lost(batches: list[Batch], loads: int) -> None:
    """After any steps account, lots and transactions agree, and nothing due is overlooked."""
    teller = Teller(AccountScenario("Europe/Berlin", loads=loads))
    for hours, groups in batches:
        teller.batch(hours, groups)  # which is audited, row by row
        account, lots = teller.scenario.account, teller.scenario.shelf.values()
        approved = [lot for lot in lots if lot.state is APPROVED]
        assert account.total_earned == sum(lot.amount for lot in approved)
        assert account.available == sum(lot.remaining for lot in approved)
        spent = account.total_redeemed + account.total_expired
        assert account.total_earned == account.available + account.held + spent


@settings(derandomize=True, max_examples=60, deadline=None)
@given(PLANS)
def test_nothing_lapsed_is_left(
    batches: list[Batch],
) -> None:
    """After a lapse every unfinished lot lives, and the bound is the soonest expiry."""
    scenario = AccountScenario("Europe/Berlin", loads=2)
    teller = Teller(scenario)
    for hours, groups in batches:
        teller.batch(hours, groups)
        if not scenario.account.version:
            continue
        scenario.lapse()
        live = [lot for lot in scenario.shelf.values() if lot.unfinished]
        expiries = [at for lot in live if (at := scenario.account_state.expiry_of(lot)) is not None]
        assert all(at > scenario.now for at in expiries)
        bound = scenario.account.next_due_at
        assert (bound is None) == (not expiries) or bound > scenario.now
        for lot in scenario.shelf.values():
            if lot.lapse_id:
                assert (lot.remaining, lot.expires_at <= scenario.now) == (0, True)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(PLANS)
def test_loading_does_not_matter(
    batches: list[Batch],
) -> None:
    """What is decided does not depend on how many lots were loaded at first."""
    ledgers = []
    for loads in (1, 3, 10**6):
        teller = Teller(AccountScenario("Europe/Berlin", loads=loads))
        for hours, groups in batches:
            teller.batch(hours, groups)
        ledgers.append(teller.scenario.ledger)
    assert ledgers[0] == ledgers[1] == ledgers[2]


@dataclass
class Award:
    """A lot of the model."""

    left: int
    expires: int
    approved: bool


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["earn", "promise", "redeem", "expire", "wait", "approve"]),
            st.integers(1, 30),
            st.integers(1, 20),
        ),
        max_size=25,
    )
)
def test_against_a_model(plan: list[tuple[str, int, int]]) -> None:
    """Balances are those of a plain list of awards that is emptied soonest expiry first."""
    scenario, start, day = (
        AccountScenario(loads=2),
        datetime.fromisoformat("2025-01-01T00:00:00+00:00"),
        0,
    )
    awards: list[Award] = []
    for kind, amount, days in plan:
        live = sorted((a for a in awards if a.approved and a.expires > day), key=_expires)
        there = sum(award.left for award in live)
        if kind == "wait":
            day += days
        elif kind in ("earn", "promise"):
            state = APPROVED if kind == "earn" else OPEN
            at = start + timedelta(days=day + days)
            awards.append(Award(amount, day + days, kind == "earn"))
            scenario.earn(amount, str(len(awards) - 1), initial_state=state, expires=at)
        elif kind == "approve":
            award = awards[amount % len(awards)] if awards else None
            if award and not award.approved and award.expires > day:
                award.approved = True
                scenario.approve(str(awards.index(award)))
        elif awards and (kind == "expire" or there >= amount):
            step = {"expire": scenario.expire, "redeem": scenario.redeem}[kind]
            _tell_whole(scenario, step, amount)
            _empty(live, amount)
        scenario.at(start + timedelta(days=day))
    if awards:
        scenario.lapse()
    live = [award for award in awards if award.expires > day]
    assert scenario.available == sum(award.left for award in live if award.approved)
    assert scenario.pending == sum(award.left for award in live if not award.approved)


def _tell_whole(scenario: AccountScenario, step: Callable[[int], object], amount: int) -> None:
    loads = scenario.loads
    try:
        step(amount)
    except NeedMoreLots:
        with scenario.together():
            scenario.load_everything()
            step(amount)
    scenario.loads = loads


def _expires(award: Award) -> int:
    return award.expires


def _empty(live: list[Award], amount: int) -> None:
    for award in live:
        part = min(award.left, amount)
        award.left -= part
        amount -= part
