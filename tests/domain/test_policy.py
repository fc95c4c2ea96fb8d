"""What policies and explicit expirations give, at both sides of every boundary."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.domain.policies import (
    APIA,
    BERLIN,
    KATHMANDU,
    LORD_HOWE,
    NEW_YORK,
    NUUK,
    ODD,
    SAO_PAULO,
    instants,
    local,
    repeatable,
    utc,
    zones,
)

from points_grpc.domain.calendar import LAST_SECOND, OutOfCalendar, local_time
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding
from points_grpc.domain.policy import (
    ExpireOn,
    InDays,
    InMonths,
    fixed_expiry,
    inactivity_expiry,
    resolve_expiration,
)

DAY, MONTH, QUARTER, YEAR = list(Rounding)[1:]


def policy(kind: PolicyKind, **settings: object) -> Policy:
    return Policy(1, "standard", 1, kind, **settings)  # type: ignore[arg-type]


def period(rounding: Rounding = Rounding.NONE, **length: int) -> Policy:
    return policy(PolicyKind.PERIOD, period=Period(**length), rounding=rounding)


def inactivity(rounding: Rounding = Rounding.NONE, **length: int) -> Policy:
    return policy(PolicyKind.INACTIVITY, period=Period(**length), rounding=rounding)


def fixed_dates(*dates: tuple[int, int], **minimum_life: int) -> Policy:
    life = Period(**minimum_life) if minimum_life else None
    return policy(PolicyKind.FIXED_DATES, dates=dates, minimum_life=life)


roundings = st.sampled_from(Rounding)


lengths = st.one_of(
    st.builds(Period, days=st.integers(1, 800)), st.builds(Period, months=st.integers(1, 30))
)


# Fixed expiries
@pytest.mark.parametrize(
    ("zone", "length", "earned", "expires"),
    [
        (BERLIN, {"days": 1}, "2025-03-29 11:00", "2025-03-30 10:00"),
        (BERLIN, {"days": 30}, "2025-10-01 10:00:00.5", "2025-10-31 11:00:00.5"),
        (NEW_YORK, {"days": 365}, "2024-02-28 17:00", "2025-02-27 17:00"),
        (BERLIN, {"months": 1}, "2025-01-31 11:00", "2025-02-28 11:00"),
        (BERLIN, {"months": 1}, "2024-01-31 11:00", "2024-02-29 11:00"),
        (BERLIN, {"months": 12}, "2024-02-29 11:00", "2025-02-28 11:00"),
        (BERLIN, {"months": 2}, "2025-01-30 01:30", "2025-03-30 01:30"),  # 02:30 becomes 03:30
        (LORD_HOWE, {"days": 1}, "2025-10-03 15:40", "2025-10-04 15:40"),
        (APIA, {"days": 1}, "2011-12-29 20:00", "2011-12-30 20:00"),
    ],
)
def test_period(zone: ZoneInfo, length: dict[str, int], earned: str, expires: str) -> None:
    """A period keeps the earn's local time on the calendar, and its months clamp."""
    assert fixed_expiry(period(**length), zone, utc(earned)) == utc(expires)


@pytest.mark.parametrize(
    ("rounding", "earned", "expires"),
    [
        (DAY, "2025-01-14 23:00", "2025-02-15 23:59:59"),
        (DAY, "2025-01-15 22:59:59", "2025-02-15 23:59:59"),
        (DAY, "2025-01-15 22:59:59.000001", "2025-02-16 23:59:59"),
        (DAY, "2025-01-15 22:59:59.999999", "2025-02-16 23:59:59"),
        (DAY, "2025-01-15 23:00", "2025-02-16 23:59:59"),
        (MONTH, "2025-01-28 11:00", "2025-02-28 23:59:59"),
        (MONTH, "2025-01-31 11:00", "2025-02-28 23:59:59"),
        (MONTH, "2025-01-31 22:59:59", "2025-02-28 23:59:59"),
        (MONTH, "2025-01-31 22:59:59.5", "2025-03-31 23:59:59"),
        (MONTH, "2025-01-31 23:00", "2025-03-31 23:59:59"),
        (QUARTER, "2025-02-28 22:59:59", "2025-03-31 23:59:59"),
        (QUARTER, "2025-03-01 11:00", "2025-06-30 23:59:59"),
        (QUARTER, "2025-05-30 21:59:59", "2025-06-30 23:59:59"),
        (QUARTER, "2025-05-30 21:59:59.5", "2025-09-30 23:59:59"),
        (YEAR, "2025-11-30 22:59:59", "2025-12-31 23:59:59"),
        (YEAR, "2025-11-30 23:00", "2026-12-31 23:59:59"),
        (YEAR, "2024-12-31 11:00", "2025-12-31 23:59:59"),
    ],
)
def test_rounding(rounding: Rounding, earned: str, expires: str) -> None:
    """Rounding moves forward to 23:59:59 of the last day, from its last second to the next."""
    expiry = fixed_expiry(period(rounding, months=1), BERLIN, utc(earned))
    assert local(BERLIN, expiry) == expires


def test_rounding_to_the_next_year() -> None:
    """An unrounded instant in a year's last second is rounded to the end of the next year."""
    for earned, expires in (("22:59:59", "2025-12-31"), ("22:59:59.5", "2026-12-31")):
        expiry = fixed_expiry(period(YEAR, days=1), BERLIN, utc(f"2025-12-30 {earned}"))
        assert local(BERLIN, expiry) == f"{expires} 23:59:59"


def test_rounding_across_odd_days() -> None:
    """The end of a skipped or repeated time is found as any other local time is."""
    day = period(DAY, days=1)
    assert local(APIA, fixed_expiry(day, APIA, utc("2011-12-29 20:00"))) == "2011-12-31 23:59:59"
    assert fixed_expiry(day, APIA, utc("2011-12-30 09:59:59.5")) == utc("2011-12-31 09:59:59") + (
        timedelta(days=1)
    )
    assert fixed_expiry(day, SAO_PAULO, utc("2018-02-16 12:00")) == utc("2018-02-18 02:59:59")
    assert fixed_expiry(day, NUUK, utc("2024-03-29 12:00")) == utc("2024-03-31 01:59:59")
    assert fixed_expiry(day, KATHMANDU, utc("2025-01-01 18:14:59")) == utc("2025-01-02 18:14:59")


@repeatable
@given(zones, lengths, roundings, instants)
def test_rounding_only_moves_forward(
    zone: ZoneInfo, length: Period, rounding: Rounding, earned_at: datetime
) -> None:
    """A rounded expiry is never before the unrounded one, and both lie after the earn."""
    plain = fixed_expiry(policy(PolicyKind.PERIOD, period=length), zone, earned_at)
    rounded = fixed_expiry(
        policy(PolicyKind.PERIOD, period=length, rounding=rounding), zone, earned_at
    )
    assert plain is not None
    assert rounded is not None
    assert earned_at < plain <= rounded


def test_never() -> None:
    """A policy that says never gives no expiry."""
    assert fixed_expiry(policy(PolicyKind.NEVER), BERLIN, utc("2025-01-01")) is None


@pytest.mark.parametrize(
    ("dates", "earned", "expires"),
    [
        ([(12, 31)], "2025-05-05 12:00", "2025-12-31 23:59:59"),
        ([(12, 31)], "2025-12-31 22:59:58.999999", "2025-12-31 23:59:59"),
        ([(12, 31)], "2025-12-31 22:59:59", "2026-12-31 23:59:59"),
        ([(12, 31)], "2025-12-31 23:00", "2026-12-31 23:59:59"),
        ([(6, 30), (12, 31)], "2025-06-30 21:59:58", "2025-06-30 23:59:59"),
        ([(6, 30), (12, 31)], "2025-06-30 21:59:59", "2025-12-31 23:59:59"),
        ([(12, 31), (6, 30)], "2025-07-01 12:00", "2025-12-31 23:59:59"),
        ([(6, 30), (1, 15)], "2025-07-01 12:00", "2026-01-15 23:59:59"),
        ([(2, 29)], "2024-02-28 23:30", "2024-02-29 23:59:59"),
        ([(2, 29)], "2024-02-29 23:30", "2025-02-28 23:59:59"),
        ([(2, 29)], "2025-02-28 22:59:58", "2025-02-28 23:59:59"),
        ([(2, 29)], "2027-02-28 23:30", "2028-02-29 23:59:59"),
        ([(12, 31), (1, 1)], "2025-12-31 22:59:59", "2026-01-01 23:59:59"),
        ([(2, 28), (2, 29)], "2024-02-28 23:30", "2024-02-29 23:59:59"),
        ([(2, 28), (2, 29)], "2025-02-28 23:30", "2026-02-28 23:59:59"),
    ],
)
def test_fixed_dates(dates: list[tuple[int, int]], earned: str, expires: str) -> None:
    """The end of the first listed date after the earn counts, and 29 February clamps."""
    assert local(BERLIN, fixed_expiry(fixed_dates(*dates), BERLIN, utc(earned))) == expires


def test_fixed_dates_are_the_programs() -> None:
    """What is the day of the earn, and so the first date that counts, the program's zone says."""
    yearly = fixed_dates((12, 30))
    evening = fixed_expiry(yearly, NEW_YORK, utc("2025-12-31 01:00"))
    assert local(NEW_YORK, evening) == "2025-12-30 23:59:59"
    morning = fixed_expiry(yearly, KATHMANDU, utc("2025-12-30 20:00"))
    assert local(KATHMANDU, morning) == "2026-12-30 23:59:59"


@pytest.mark.parametrize(
    ("life", "earned", "expires"),
    [
        ({"months": 6}, "2025-06-30 21:59:58", "2025-12-31 23:59:59"),
        ({"months": 6}, "2025-06-30 22:00", "2026-12-31 23:59:59"),  # 1 July there
        ({"days": 10}, "2025-12-21 22:59:58", "2025-12-31 23:59:59"),
        ({"days": 10}, "2025-12-21 22:59:59", "2026-12-31 23:59:59"),
        ({"days": 10}, "2025-12-21 23:00", "2026-12-31 23:59:59"),
    ],
)
def test_minimum_life(life: dict[str, int], earned: str, expires: str) -> None:
    """A listed date counts only if its end lies after the earn plus the minimum life."""
    expiry = fixed_expiry(fixed_dates((12, 31), **life), BERLIN, utc(earned))
    assert local(BERLIN, expiry) == expires


@repeatable
@given(
    zones,
    instants,
    st.lists(st.dates(date(2024, 1, 1), date(2024, 12, 31)), min_size=1, max_size=5),
)
def test_fixed_dates_take_the_first(zone: ZoneInfo, earned_at: datetime, days: list[date]) -> None:
    """The expiry lies after the earn, on a listed date, and within a year and a day."""
    listed = fixed_dates(*((day.month, day.day) for day in days))
    expiry = fixed_expiry(listed, zone, earned_at)
    assert expiry is not None
    assert timedelta(0) < expiry - earned_at < timedelta(days=368)
    alone = [fixed_expiry(fixed_dates(month_day), zone, earned_at) for month_day in listed.dates]
    assert expiry == min(at for at in alone if at is not None)


def test_no_fixed_expiry() -> None:
    """An inactivity policy gives no fixed expiry, and a policy lacking its period none at all."""
    with pytest.raises(ValueError, match="inactivity"):
        fixed_expiry(inactivity(days=1), BERLIN, utc("2025-01-01"))
    with pytest.raises(ValueError, match="only an inactivity policy"):
        inactivity_expiry(period(days=1), BERLIN, utc("2025-01-01"))
    with pytest.raises(ValueError, match="no period"):
        fixed_expiry(policy(PolicyKind.PERIOD), BERLIN, utc("2025-01-01"))


def test_expiry_beyond_the_calendar() -> None:
    """An expiry past the end of year 9999 is refused rather than shortened."""
    late = utc("9999-06-15 12:00")
    year_end = utc("9999-12-31 22:59:59")
    assert fixed_expiry(period(YEAR, months=1), BERLIN, late) == year_end
    assert fixed_expiry(fixed_dates((12, 31)), BERLIN, late) == year_end
    for beyond in (
        lambda: fixed_expiry(period(days=365), BERLIN, late),
        lambda: fixed_expiry(period(months=7), BERLIN, late),
        lambda: fixed_expiry(period(YEAR, months=1), NEW_YORK, late),
        lambda: fixed_expiry(fixed_dates((12, 31)), NEW_YORK, late),
        lambda: fixed_expiry(fixed_dates((3, 31), (6, 1)), BERLIN, late),
        lambda: fixed_expiry(fixed_dates((12, 31), months=12), BERLIN, late),
        lambda: inactivity_expiry(inactivity(months=1200), BERLIN, late),
        lambda: inactivity_expiry(inactivity(YEAR, days=1), NEW_YORK, late),
        lambda: resolve_expiration(InDays(1000), BERLIN, late),
        lambda: resolve_expiration(InMonths(7), BERLIN, late),
        lambda: resolve_expiration(ExpireOn(date.max), NEW_YORK, late),
    ):
        with pytest.raises(OutOfCalendar):
            beyond()


# Inactivity
@pytest.mark.parametrize(
    ("zone", "length", "since", "expires"),
    [
        (BERLIN, {"days": 30}, "2025-01-15 12:00:00.5", "2025-02-14 13:00:00.500000"),
        (BERLIN, {"months": 1}, "2025-02-28 12:00", "2025-03-28 13:00:00"),
        (BERLIN, {"months": 1}, "2025-01-28 12:00", "2025-02-28 13:00:00"),
        (BERLIN, {"months": 1}, "2025-01-29 12:00", "2025-02-28 23:59:59"),
        (BERLIN, {"months": 1}, "2025-01-31 22:59:59.999999", "2025-02-28 23:59:59"),
        (BERLIN, {"days": 1}, "2025-01-01 22:59:59.999999", "2025-01-02 23:59:59"),
        (BERLIN, {"days": 1}, "2025-01-01 23:00", "2025-01-03 00:00:00"),
        (BERLIN, {"days": 1}, "2025-10-26 00:30", "2025-10-27 02:30:00"),
        (BERLIN, {"days": 1}, "2025-10-26 01:30", "2025-10-27 02:59:59.999999"),
        (BERLIN, {"days": 1}, "2025-10-26 02:00", "2025-10-27 03:00:00"),
        (BERLIN, {"days": 1}, "2025-03-29 01:30", "2025-03-30 03:30:00"),
        (BERLIN, {"days": 1}, "2025-03-29 02:00", "2025-03-30 04:00:00"),
        (BERLIN, {"days": 1}, "2025-03-29 03:00", "2025-03-30 04:00:00"),
        (SAO_PAULO, {"days": 1}, "2018-02-18 02:10", "2018-02-18 23:59:59"),
    ],
)
def test_inactivity(zone: ZoneInfo, length: dict[str, int], since: str, expires: str) -> None:
    """Inactivity counts as a period does, and waits wherever that would run backwards."""
    assert local(zone, inactivity_expiry(inactivity(**length), zone, utc(since))) == expires


@pytest.mark.parametrize(
    ("rounding", "since", "expires"),
    [
        (DAY, "2025-01-15 22:59:59", "2025-02-15"),
        (DAY, "2025-01-15 22:59:59.999999", "2025-02-15"),
        (DAY, "2025-01-15 23:00", "2025-02-16"),
        (DAY, "2025-01-31 12:00", "2025-02-28"),
        (MONTH, "2025-01-31 22:59:59.5", "2025-02-28"),
        (MONTH, "2025-01-31 23:00", "2025-03-31"),
        (QUARTER, "2025-02-28 22:59:59.5", "2025-03-31"),
        (QUARTER, "2025-03-01 12:00", "2025-06-30"),
        (YEAR, "2025-11-30 22:59:59.5", "2025-12-31"),
        (YEAR, "2025-11-30 23:00", "2026-12-31"),
    ],
)
def test_rounded_inactivity(rounding: Rounding, since: str, expires: str) -> None:
    """Rounded inactivity ends with the day, month, quarter or year its period ends in."""
    expiry = inactivity_expiry(inactivity(rounding, months=1), BERLIN, utc(since))
    assert local(BERLIN, expiry) == f"{expires} 23:59:59"


TURNS = [  # instants at which clocks or months turn in one of the zones
    *("1985-12-31 18:30", "1994-10-30 01:00", "2009-11-01 02:31", "2010-11-07 02:31"),
    *("2011-03-13 02:31", "2011-12-30 10:00", "2018-02-18 02:00", "2018-11-04 03:00"),
    *("2024-01-31 23:00", "2024-03-31 01:00", "2024-10-27 01:00", "2025-02-28 05:00"),
    *("2025-03-09 07:00", "2025-03-30 01:00", "2025-04-05 15:00", "2025-10-04 15:30"),
    *("2025-10-26 01:00", "2025-11-02 06:00", "2025-12-31 23:00", "2026-01-31 18:15"),
]


near_turns = st.builds(
    lambda turn, months, days, off: utc(turn) + timedelta(31 * months + days, microseconds=off),
    st.sampled_from(TURNS),
    st.integers(-3, 0),
    st.integers(-4, 1),
    st.one_of(st.integers(-3, 3), st.integers(-(10**11), 10**11)),
)


steps = st.one_of(st.integers(0, 3), st.integers(0, 10**10), st.integers(0, 3 * 10**11))


@settings(repeatable, max_examples=4000)
@given(zones, lengths, roundings, st.one_of(instants, near_turns), steps)
def test_inactivity_is_monotone(
    zone: ZoneInfo, length: Period, rounding: Rounding, since: datetime, step: int
) -> None:
    """A later activity never gives an earlier expiry."""
    rule = policy(PolicyKind.INACTIVITY, period=length, rounding=rounding)
    later = since + timedelta(microseconds=step)
    assert since < inactivity_expiry(rule, zone, since) <= inactivity_expiry(rule, zone, later)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("zone", ODD, ids=str)
def test_inactivity_is_monotone_around_turns(zone: ZoneInfo, turn: str) -> None:
    """Expiries keep the order of activities whose start or end lies where clocks turn."""
    for days in (0, 1, 28, 31):
        for length in (Period(days=1), Period(months=1)):
            rule = policy(PolicyKind.INACTIVITY, period=length)
            start = utc(turn) - timedelta(days=days, hours=27)
            minutes = (start + timedelta(minutes=17 * n, seconds=-1) for n in range(190))
            expiries = [inactivity_expiry(rule, zone, since) for since in minutes]
            assert expiries == sorted(expiries)


@repeatable
@given(zones, lengths, roundings, st.one_of(instants, near_turns))
def test_inactivity_is_a_period(
    zone: ZoneInfo, length: Period, rounding: Rounding, since: datetime
) -> None:
    """Outside a day's last second inactivity lasts at least as long as the same period."""
    assume(local_time(zone, since).time() <= LAST_SECOND)
    rule = policy(PolicyKind.INACTIVITY, period=length, rounding=rounding)
    twin = policy(PolicyKind.PERIOD, period=length, rounding=rounding)
    expected = fixed_expiry(twin, zone, since)
    assert expected is not None
    assert inactivity_expiry(rule, zone, since) >= expected
