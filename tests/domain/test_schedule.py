"""Schedules and periods, computed from sums: no database, no clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from points_grpc.domain.calendar import month_window
from points_grpc.domain.model import (
    Currency,
    Period,
    Policy,
    PolicyKind,
    Program,
    Rounding,
    TransactionType,
)
from points_grpc.domain.queries import Schedule
from points_grpc.domain.results import MemberLabel
from points_grpc.domain.schedule import (
    InactivityLots,
    MonthSums,
    expiring_within,
    future_part,
    inactivity_rules,
    last_earn_lapsing,
    make_schedule,
    project,
)
from points_grpc.domain.state import Account, AccountState, Member
from points_grpc.errors import ExpirationNotConfigured

NOW = datetime(2022, 5, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

YEAR = Policy(1, "year", 1, PolicyKind.PERIOD, period=Period(months=12))
DATES = Policy(2, "dates", 1, PolicyKind.FIXED_DATES, dates=((12, 31),))
NEVER = Policy(3, "never", 1, PolicyKind.NEVER)
IDLE = Policy(4, "idle", 1, PolicyKind.INACTIVITY, period=Period(days=30))
IDLE_AGAIN = Policy(5, "idle", 2, PolicyKind.INACTIVITY, period=Period(days=30))
MONTH_END = Policy(
    6,
    "month-end",
    1,
    PolicyKind.INACTIVITY,
    period=Period(months=1),
    rounding=Rounding.END_OF_MONTH,
)


def account_state(
    *policies: Policy, zone: str = "UTC", now: datetime = NOW, **values: Any
) -> AccountState:
    """An account in a currency with these policies, at an instant."""
    currency = Currency(7, "PTS", 0, "", 0, policies[0].code, {p.code: p for p in policies})
    versions = {p.policy_version_id: p for p in policies}
    program = Program(469, 1, "Club", ZoneInfo(zone), True, 7, {7: currency}, versions)
    account = Account(1, 2**46, 469, 2**46, 7, NOW, NOW, **values)
    return AccountState(account, Member(1, MemberLabel(2**46)), program, currency, now)


def idle(
    since: datetime, points: int = 10, rule: int = 4, approved: bool = True, lot_count: int = 1
) -> InactivityLots:
    """Inactivity lots that count from an instant."""
    return InactivityLots(rule, approved, since, points, lot_count)


def schedule(
    of: AccountState,
    sums: dict[int, MonthSums] | None = None,
    groups: list[InactivityLots] | None = None,
    dated: bool = False,
) -> Schedule:
    """The schedule of three months before to six after."""
    months = month_window(of.program.zone, of.now, 3, 6)
    projected = project(of.program, groups or [])
    return make_schedule(of, months, sums or {}, projected, has_dated_lots=dated)


@pytest.mark.parametrize("policy", [YEAR, DATES])
def test_a_policy_with_dates_shows_every_month(policy: Policy) -> None:
    """With a PERIOD or FIXED_DATES policy all months are there, also empty ones."""
    months = schedule(account_state(IDLE, policy)).months
    assert [m.first for m in months] == [date(2022, n, 1) for n in range(2, 12)]
    assert [m.last.day for m in months] == [28, 31, 30, 31, 30, 31, 31, 30, 31, 30]
    assert {(m.expired, m.expiring, m.redeemed, m.redeemed_from_lots) for m in months} == {
        (0, 0, 0, 0)
    }


def test_a_schedule_says_of_which_points_and_when_it_was_true() -> None:
    """A schedule, like what expires within a period, names its currency and its instant."""
    of = account_state(YEAR)
    report, within = schedule(of), expiring_within(of, (NOW, NOW + DAY), (1, 1), [])
    assert (report.currency, report.as_of) == (of.currency, NOW)
    assert (within.currency, within.as_of) == (of.currency, NOW)


def test_without_such_a_policy_a_lot_in_the_window_shows_them() -> None:
    """Months also appear for an approved fixed lot that expires in one of them, and only then."""
    of = account_state(IDLE)
    assert schedule(of, {3: MonthSums(expired=5, redeemed=5)}, dated=True).months == ()
    assert len(schedule(of, {3: MonthSums(expires_at=NOW)}).months) == 10


def test_only_never_means_not_configured() -> None:
    """Where every policy is NEVER and no lot will expire the schedule is refused; else not."""
    of = account_state(NEVER)
    with pytest.raises(ExpirationNotConfigured) as refusal:
        schedule(of, {0: MonthSums(redeemed=5)})
    assert refusal.value.field == "currency"
    assert schedule(of, dated=True).months == ()
    assert len(schedule(of, {0: MonthSums(expires_at=NOW)}).months) == 10
    assert schedule(account_state(NEVER, IDLE)).months == ()


def test_an_old_version_can_still_be_an_expiry() -> None:
    """Lots under an inactivity policy that is gone from the currency keep the schedule open."""
    of = account_state(NEVER)
    of.program.versions[4] = IDLE
    assert [e.expiring for e in schedule(of, groups=[idle(NOW)]).inactivity] == [10]


def test_the_future_has_nothing_expired_and_the_past_nothing_expiring() -> None:
    """A month's figures stop at now: expired up to the present month, expiring from it on."""
    everything = MonthSums(1, 2, 4, 8, NOW)
    months = schedule(account_state(YEAR), dict.fromkeys(range(10), everything)).months
    assert [m.expired for m in months] == [1] * 4 + [0] * 6
    assert [m.expiring for m in months] == [0] * 3 + [2] * 7
    assert {(m.redeemed, m.redeemed_from_lots, m.expires_at) for m in months} == {(4, 8, NOW)}


def test_the_first_instant_of_a_month_is_in_it_and_in_no_other() -> None:
    """At its first instant a month is the present one, and the one before has nothing to come."""
    of = account_state(YEAR, now=datetime(2022, 5, 1, tzinfo=UTC))
    months = schedule(of, dict.fromkeys(range(10), MonthSums(1, 2))).months
    assert [m.expired for m in months] == [1] * 4 + [0] * 6
    assert [m.expiring for m in months] == [0] * 3 + [2] * 7


def test_inactivity_that_has_happened_is_expired_in_its_month() -> None:
    """Inactivity lots that have lapsed unrecorded count in the month of their instant."""
    of = account_state(YEAR, IDLE)
    first_of_may = datetime(2022, 5, 1, tzinfo=UTC)
    groups = [
        idle(first_of_may - 30 * DAY - TICK, 5),
        idle(first_of_may - 30 * DAY, 7),
        idle(first_of_may - 30 * DAY, 100, approved=False),
        idle(NOW - 30 * DAY, 11),
        idle(NOW - 30 * DAY + TICK, 13),
    ]
    report = schedule(of, {3: MonthSums(expired=1000)}, groups)
    assert [m.expired for m in report.months[:5]] == [0, 0, 5, 1018, 0]
    assert [(e.expires_at, e.expiring) for e in report.inactivity] == [(NOW + TICK, 13)]


def test_inactivity_is_told_by_version_and_instant() -> None:
    """Lots of one version that lapse together are one entry; other versions have their own."""
    of = account_state(IDLE, MONTH_END)
    of.program.versions[5] = IDLE_AGAIN
    groups = [
        idle(NOW, 1),
        idle(NOW, 2, rule=5),
        idle(NOW - DAY, 4, rule=6),
        idle(NOW - 2 * DAY, 8, rule=6),
        idle(NOW - 3 * DAY, 16),
    ]
    entries = schedule(of, groups=groups).inactivity
    assert [(e.policy, e.policy_version, e.expiring) for e in entries] == [
        ("idle", 1, 16),
        ("idle", 1, 1),
        ("idle", 2, 2),
        ("month-end", 1, 12),
    ]
    assert entries[-1].last_qualified_at == NOW - DAY
    assert entries[-1].expires_at == datetime(2022, 6, 30, 23, 59, 59, tzinfo=UTC)


def test_days_are_counted_in_the_programs_zone() -> None:
    """Days until expiry are calendar days where the program is, not periods of 24 hours."""
    late = datetime(2022, 5, 25, 21, 59, tzinfo=UTC)
    for now, days in ((late, 1), (late + timedelta(minutes=1), 0)):
        of = account_state(IDLE, zone="Europe/Berlin", now=now)
        since = datetime(2022, 4, 25, 22, 30, tzinfo=UTC)
        (entry,) = schedule(of, groups=[idle(since)]).inactivity
        assert entry.expires_at == datetime(2022, 5, 25, 22, 30, tzinfo=UTC)
        assert entry.days_until_expiry == days


def test_a_period_begins_after_now_at_the_earliest() -> None:
    """The past part of a period, the present instant included, is left out."""
    assert future_part(NOW, NOW - DAY, NOW + DAY) == (NOW + TICK, NOW + DAY)
    assert future_part(NOW, NOW + DAY, NOW + 2 * DAY) == (NOW + DAY, NOW + 2 * DAY)
    last = datetime.max.replace(tzinfo=UTC)
    assert future_part(last, NOW, last) == (last, last)
    start_at, end_at = future_part(NOW, NOW - DAY, NOW)
    assert start_at > end_at


def test_projected_lots_count_in_the_period_they_lapse_in() -> None:
    """Approved inactivity lots join the fixed ones where their projection lies in the period."""
    of = account_state(IDLE)
    period = future_part(NOW, NOW, NOW + 10 * DAY)
    groups = [
        idle(NOW - 30 * DAY, 1),
        idle(NOW - 30 * DAY + TICK, 2, lot_count=2),
        idle(NOW - 20 * DAY - TICK, 4),
        idle(NOW - 20 * DAY, 8),
        idle(NOW - 25 * DAY, 16, approved=False),
    ]
    report = expiring_within(of, period, (100, 3), project(of.program, groups))
    assert (report.points, report.lot_count, report.as_of) == (106, 6, NOW)
    over = future_part(NOW, NOW - 10 * DAY, NOW)
    assert expiring_within(of, over, (0, 0), project(of.program, groups)).points == 0


def test_only_inactivity_versions_are_rules() -> None:
    """The rules of a program are its inactivity policy versions, old ones included."""
    of = account_state(YEAR, IDLE)
    of.program.versions[5] = IDLE_AGAIN
    assert inactivity_rules(of.program) == [4, 5]


def test_the_last_earn_that_lapses_before_an_instant() -> None:
    """Among inactivity lots, those earned up to some instant lapse before a given one."""
    of = account_state(IDLE)
    assert last_earn_lapsing(of, 4, NOW) == NOW - 30 * DAY - TICK
    assert last_earn_lapsing(of, 4, NOW, including=True) == NOW - 30 * DAY
    for ticks in range(50):
        found = last_earn_lapsing(of, 4, NOW + ticks * TICK)
        assert found == NOW - 30 * DAY + (ticks - 1) * TICK
    assert last_earn_lapsing(of, 4, NOW + 40 * DAY) == NOW
    active = account_state(IDLE, activity={TransactionType.REDEEM: NOW - 10 * DAY})
    assert last_earn_lapsing(active, 4, NOW + 20 * DAY) is None
    assert last_earn_lapsing(active, 4, NOW + 20 * DAY + TICK) == NOW - 10 * DAY
