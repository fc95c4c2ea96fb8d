"""Earning: amounts, policies, explicit expiries, states, and earns of the past."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tests.support.domain.account_scenario import (
    MEMBER_ID,
    NAME,
    PROGRAM_ID,
    AccountScenario,
    instant,
)

from points_grpc.domain.amounts import AMOUNT_MAX
from points_grpc.domain.commands import Earn
from points_grpc.domain.decisions import BALANCE_MAX, decide
from points_grpc.domain.model import (
    AwardKind,
    LotState,
    Period,
    Policy,
    PolicyKind,
)
from points_grpc.domain.policy import ExpireOn, Immediate, InDays, InMonths, Never
from points_grpc.domain.results import Earned
from points_grpc.domain.state import BatchState, ChangeSet, ResolvedCommand
from points_grpc.errors import (
    ExpiryInPast,
    IdentifierTaken,
    InvalidField,
    MemberNotFound,
    PolicyNotFound,
)

FUTURE = "2025-02-01"


def test_approved() -> None:
    """Points are approved and available at once unless the earn says otherwise."""
    scenario = AccountScenario().earn(10, "a")
    assert (scenario.available, scenario.pending, scenario.account.total_earned) == (10, 0, 10)
    assert scenario.lot("a").state is LotState.APPROVED


@pytest.mark.parametrize("state", [LotState.OPEN, LotState.PENDING])
def test_unapproved(state: LotState) -> None:
    """Unapproved points are pending and nothing else."""
    scenario = AccountScenario().earn(10, "a", initial_state=state)
    assert (scenario.available, scenario.pending, scenario.account.total_earned) == (0, 10, 0)
    assert scenario.entries.transactions[0].first_state is state


def test_answer() -> None:
    """The answer has the EARN, whose id is the lot's, with the lot and account as they are."""
    scenario = (
        AccountScenario(scale=2)
        .earn(5)
        .at("2025-01-02")
        .earn(
            "10.50",
            expires=FUTURE,
            vendor_id=7,
            kind=AwardKind.POINT_AWARDED_LINEITEM,
            **{
                name: name
                for name in ("reference", "description", "source", "reason", "request_id")
            },
        )
    )
    answer = scenario.answer
    assert isinstance(answer, Earned)
    row, lot = answer.transaction, answer.lot
    assert (row.balance_before, row.amount, row.balance_after) == (500, 1050, 1550)
    assert row.transaction_id == row.lot_id == lot.lot_id
    assert (row.source, row.reason, row.request_id) == ("source", "reason", "request_id")
    assert (lot.reference, lot.description, lot.source) == ("reference", "description", "source")
    assert row.expires_at == lot.expires_at == instant(FUTURE)
    assert (lot.vendor_id, lot.kind) == (7, AwardKind.POINT_AWARDED_LINEITEM)
    assert (answer.account.available, answer.account.version) == (1550, 2)
    assert answer.account.next_expires_at == instant(FUTURE)


@pytest.mark.parametrize(("scale", "amount"), [(0, 10**15), (2, 10**13), (6, 10**9)])
def test_largest_amount(scale: int, amount: int) -> None:
    """An earn can be of 10^15 of the smallest unit, and not of one more."""
    scenario = AccountScenario(scale=scale).earn(amount)
    assert scenario.available == AMOUNT_MAX
    more = f"{amount}.{1:0{scale}d}" if scale else amount + 1
    with scenario.refused(InvalidField) as refusal:
        scenario.earn(more)
    assert refusal.value.field == "amount"


@pytest.mark.parametrize("state", [LotState.OPEN, LotState.APPROVED])
def test_fullest_account(state: LotState) -> None:
    """All that an account ever earned and may yet, together, is at most 2^62."""
    scenario = (
        AccountScenario().having_earned(BALANCE_MAX - 30).earn(20, initial_state=LotState.PENDING)
    )
    with scenario.refused(InvalidField) as refusal:
        scenario.earn(11, initial_state=state)
    assert (refusal.value.field, bool(refusal.value.problem)) == ("amount", True)
    scenario.earn(10, initial_state=state)
    assert scenario.account.total_earned + scenario.pending == BALANCE_MAX


def test_due_promises_make_room() -> None:
    """Pending points that have lapsed no longer count for what an account can hold."""
    scenario = AccountScenario().earn(20, expires=FUTURE, initial_state=LotState.OPEN)
    scenario.having_earned(BALANCE_MAX - 20).at(FUTURE).earn(20)
    assert (scenario.account.total_earned, scenario.pending) == (BALANCE_MAX, 0)


def test_default_policy() -> None:
    """Without a policy the currency's default gives the expiry, else the one that is named."""
    scenario = AccountScenario().earn(10, "default").earn(10, "named", policy="monthly")
    assert [scenario.expiry(name) for name in ("default", "named")] == [None, FUTURE]
    assert scenario.lot("named").policy_version_id == 2


def test_policies_of_one_batch() -> None:
    """Each earn of a batch gets the expiry of its own policy, at the same instant too."""
    with AccountScenario().together() as scenario:
        scenario.earn(10, "default").earn(10, "named", policy="monthly").earn(10, "again")
    assert [scenario.expiry(name) for name in ("default", "named", "again")] == [None, FUTURE, None]


def test_unknown_policy() -> None:
    """An unknown policy is refused."""
    scenario = AccountScenario()
    with scenario.refused(PolicyNotFound) as refusal:
        scenario.earn(10, policy="other")
    assert refusal.value.field == "policy"


@pytest.mark.parametrize(
    ("expiration", "expected"),
    [
        (Never(), None),
        (ExpireOn(date(2025, 1, 1)), "2025-01-01 23:59:59"),
        (InDays(0), "2025-01-01 23:59:59"),
        (InDays(31), "2025-02-01 23:59:59"),
        (InMonths(1), "2025-02-01 23:59:59"),
    ],
)
def test_explicit_expiry(expiration: object, expected: str | None) -> None:
    """An explicit expiry beats the policy's; a date means the end of that day."""
    assert (
        AccountScenario().earn(10, "a", policy="monthly", expires=expiration).expiry("a")
        == expected
    )


def test_explicit_expiry_of_inactivity() -> None:
    """An explicit expiry makes a lot of an inactivity policy fixed."""
    scenario = (
        AccountScenario().earn(10, "a", policy="idle", expires=FUTURE).at("2025-01-20").redeem(1)
    )
    assert (scenario.lot("a").rule, scenario.expiry("a")) == (0, FUTURE)


@pytest.mark.parametrize(
    ("zone", "earned", "expected"),
    [
        ("Europe/Berlin", "2025-02-28 01:30", "2025-03-29 22:59:59"),
        ("Europe/Berlin", "2025-03-01 01:30", "2025-03-30 21:59:59"),
        ("Europe/Berlin", "2025-09-26 12:00", "2025-10-25 21:59:59"),
        ("Europe/Berlin", "2025-09-27 12:00", "2025-10-26 22:59:59"),
        ("America/New_York", "2025-01-02 03:00", "2025-01-31 04:59:59"),
    ],
)
def test_days_end_in_the_programs_zone(zone: str, earned: str, expected: str) -> None:
    """Days count from the earn's date in the program's zone, across daylight saving."""
    assert (
        AccountScenario(zone).at(earned).earn(10, "a", expires=InDays(29)).expiry("a") == expected
    )


def test_period_keeps_local_time() -> None:
    """A period keeps the local time of the earn across daylight saving."""
    scenario = (
        AccountScenario("Europe/Berlin").at("2025-03-01 11:00").earn(10, "a", policy="monthly")
    )
    assert scenario.expiry("a") == "2025-04-01 10:00:00"


def test_expiry_after_the_earn() -> None:
    """An expiry must lie after the earn, if only by a microsecond."""
    scenario = AccountScenario().at("2025-01-10")
    for expiry in ("2025-01-10", "2025-01-09 23:59:59.999999"):
        with scenario.refused(ExpiryInPast) as refusal:
            scenario.earn(10, expires=expiry)
        assert refusal.value.field == "expire_time"
    assert scenario.earn(10, expires="2025-01-10 00:00:00.000001").available == 10


def test_last_second_of_a_day() -> None:
    """In a day's last second that day is no expiry any more."""
    scenario = AccountScenario().at("2025-01-10 23:59:59")
    with scenario.refused(ExpiryInPast) as refusal:
        scenario.earn(10, expires=InDays(0))
    assert refusal.value.field == "days"
    with scenario.refused(ExpiryInPast) as refusal:
        scenario.earn(10, expires=ExpireOn(date(2025, 1, 10)))
    assert refusal.value.field == "expire_date"
    assert scenario.earn(10, "a", expires=InDays(1)).expiry("a") == "2025-01-11 23:59:59"


def test_immediate_is_no_expiry() -> None:
    """Nothing can be earned that expires immediately."""
    scenario = AccountScenario()
    with scenario.refused(InvalidField) as refusal:
        scenario.earn(10, expires=Immediate())
    assert (refusal.value.field, bool(refusal.value.problem)) == ("immediate", True)


def test_unapproved_earn_is_no_activity() -> None:
    """An unapproved earn keeps no other inactivity lot alive."""
    scenario = AccountScenario().earn(10, "idle", policy="idle").at("2025-01-20")
    scenario.earn(1, initial_state=LotState.OPEN)
    assert scenario.expiry("idle") == "2025-01-31"


def test_lapsing_earn_leaves_the_bound() -> None:
    """An earn that lapses at once hides no lot that the batch has not loaded."""
    scenario = AccountScenario().earn(10, "unseen", expires="2025-06-01").at("2025-03-01")
    with scenario.together():
        scenario.earn(5, earned="2025-01-05", expires=FUTURE)
        scenario.earn(5)
    assert scenario.due == "2025-06-01"
    assert scenario.at("2025-06-01").lapse().left("unseen") == [0]


def test_earn_lapses_first() -> None:
    """An earn first records what has expired."""
    scenario = AccountScenario().earn(10, "a", expires=FUTURE).at(FUTURE).earn(5)
    assert [line.split()[1] for line in scenario.ledger] == ["EARN", "EXPIRE", "EARN"]


def test_vendor_id_taken() -> None:
    """A vendor's lot id is its member's only once, also in one batch."""
    scenario = AccountScenario().earn(10, vendor_id=7)
    with scenario.refused(IdentifierTaken) as refusal:
        scenario.earn(10, vendor_id=7)
    assert refusal.value.field == "vendor_id"
    assert scenario.earn(10, vendor_id=8).available == 20
    assert scenario.shelf[scenario.answer.lot.lot_id].member_id == MEMBER_ID  # type: ignore[union-attr]


def test_vendor_id_stays_taken() -> None:
    """A vendor's lot id is not freed by the end of its lot."""
    scenario = AccountScenario().earn(10, vendor_id=7, expires=FUTURE).at("2025-05-01")
    with scenario.refused(IdentifierTaken) as refusal:
        scenario.earn(10, vendor_id=7)
    assert refusal.value.field == "vendor_id"


def test_unknown_member() -> None:
    """Nothing is decided of a member that is not known and that nothing enrols."""
    earn = Earn(PROGRAM_ID, NAME, None, Decimal(10))
    with pytest.raises(MemberNotFound) as refusal:
        decide(ResolvedCommand(earn), ChangeSet(BatchState(), lambda _: 1, "tester"))
    assert refusal.value.field == "member"


def test_new_lots_are_not_stored() -> None:
    """A lot that was just earned is one to be added, not one to be changed."""
    scenario = AccountScenario()
    with scenario.together():
        scenario.earn(10, "a")
        assert scenario.lot("a").persisted is False


def test_enrolment() -> None:
    """An earn for a member that is not there yet enrols it; nothing else does."""
    scenario = AccountScenario(enrolled=False)
    with scenario.refused(MemberNotFound) as refusal:
        scenario.redeem(1)
    assert refusal.value.field == "member"
    assert scenario.earn(10).redeem(10).member.enrolled


@pytest.mark.parametrize(
    ("zone", "earned", "more"),
    [
        ("UTC", "9999-12-15", {"policy": "monthly"}),
        ("UTC", "9999-12-15", {"policy": "idle"}),
        ("UTC", "9999-12-15", {"expires": InDays(17)}),
        ("UTC", "9999-12-15", {"expires": InMonths(1)}),
        ("America/New_York", "9999-12-15", {"expires": ExpireOn(date(9999, 12, 31))}),
        ("America/New_York", "0001-01-01", {"policy": "monthly"}),
        ("America/New_York", "0001-01-01", {"policy": "idle"}),
        ("America/New_York", "0001-01-01", {"expires": InDays(1)}),
    ],
)
def test_beyond_the_calendar(zone: str, earned: str, more: dict[str, object]) -> None:
    """An expiry that the calendar does not have is refused, never guessed."""
    scenario = AccountScenario(zone).at("9999-12-15")
    with scenario.refused(InvalidField) as refusal:
        scenario.earn(10, earned=earned, **more)
    assert (refusal.value.field, bool(refusal.value.problem)) == ("expiration", True)
    assert scenario.earn(10, earned="9999-12-14", expires=Never()).available == 10


def test_fixed_dates() -> None:
    """A policy of fixed dates gives the first that ends after the earn."""
    yearly = Policy(9, "yearly", 1, PolicyKind.FIXED_DATES, dates=((12, 31),))
    scenario = AccountScenario("Europe/Berlin", policies=(yearly,))
    scenario.at("2025-12-31 22:59:58").earn(1, "this", policy="yearly")
    scenario.at("2025-12-31 22:59:59").earn(1, "next", policy="yearly")
    assert scenario.lot("this").expires_at == instant("2025-12-31 22:59:59")
    assert scenario.lot("next").expires_at == instant("2026-12-31 22:59:59")


def test_longest_period() -> None:
    """The longest period of a policy reaches a hundred years on."""
    century = Policy(9, "century", 1, PolicyKind.PERIOD, period=Period(months=1200))
    scenario = AccountScenario(policies=(century,)).earn(1, "a", policy="century")
    assert scenario.expiry("a") == "2125-01-01"
