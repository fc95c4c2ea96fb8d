"""What expiry a policy or an explicit expiration gives a lot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

from points_grpc.domain.calendar import (
    LAST_SECOND,
    OutOfCalendar,
    add_days,
    add_days_to_date,
    add_months,
    add_months_to_date,
    at_local,
    at_local_in_order,
    end_of_day,
    end_of_month,
    end_of_quarter,
    end_of_year,
    in_utc,
    latest_local_time,
    local_date,
    local_time,
)
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType
from points_grpc.errors import InvalidField

DAYS_MAX = 36_500
MONTHS_MAX = 1_200
DATES_MAX = 366
PRIORITY_MAX = 1_000

_LEAP_YEAR = 2000

# Explicit expirations


@dataclass(frozen=True, slots=True)
class ExpireAt:
    """At an instant (aware)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ExpireOn:
    """At the end of a date in the program's time zone."""

    day: date


@dataclass(frozen=True, slots=True)
class InDays:
    """At the end of the date this many days after the base's."""

    days: int


@dataclass(frozen=True, slots=True)
class InMonths:
    """At the end of the date this many months after the base's."""

    months: int


@dataclass(frozen=True, slots=True)
class Never:
    """Not at all."""


@dataclass(frozen=True, slots=True)
class Immediate:
    """Now, by an expiry of what remains; no later instant stands for it."""


Expiration: TypeAlias = ExpireAt | ExpireOn | InDays | InMonths | Never | Immediate


def resolve_expiration(expiration: Expiration, zone: ZoneInfo, base: datetime) -> datetime | None:
    """The instant an explicit expiration means, in UTC; None for never.

    Days and months count from the local date of `base` and end at 23:59:59.000; it is for the
    caller to refuse what does not lie in the future. Raises OutOfCalendar past the years 1 to
    9999, and ValueError for Immediate and for naive instants.
    """
    match expiration:
        case ExpireAt(at):
            return in_utc(at)
        case ExpireOn(day):
            return end_of_day(zone, day)
        case InDays(days):
            return end_of_day(zone, add_days_to_date(local_date(zone, base), days))
        case InMonths(months):
            return end_of_day(zone, add_months_to_date(local_date(zone, base), months))
        case Never():
            return None
        case Immediate():
            raise ValueError("an immediate expiry is not an instant to come")


# Policies


def fixed_expiry(policy: Policy, zone: ZoneInfo, earned_at: datetime) -> datetime | None:
    """Return when a lot earned at `earned_at` under `policy` expires, in UTC; None: never.

    A PERIOD keeps the local time of the earn and is then rounded. Rounding only ever moves
    forward: where the end of the day, month, quarter or year lies before the unrounded
    instant, which happens in a day's last second, the next end counts. FIXED_DATES gives the
    end of the first listed date that lies after the earn plus the minimum life.

    Raises OutOfCalendar past year 9999, and ValueError for INACTIVITY, which has no fixed
    instant.
    """
    if policy.kind is PolicyKind.PERIOD:
        local = local_time(zone, earned_at)
        day = _after(_period(policy), local)
        at = at_local(zone, datetime.combine(day, local.time()))
        return _round(policy.rounding, zone, day, at)
    if policy.kind is PolicyKind.FIXED_DATES:
        return _next_fixed_date(policy, zone, earned_at)
    if policy.kind is PolicyKind.NEVER:
        return None
    raise ValueError("inactivity gives no fixed expiry")


def inactivity_expiry(policy: Policy, zone: ZoneInfo, since: datetime) -> datetime:
    """Return when a lot under an INACTIVITY policy expires without activity after `since`.

    That is `since` plus the period, rounded as in `fixed_expiry`, except that a later `since`
    never gives an earlier expiry. Plain calendar arithmetic would (30 January 23:00 and
    31 January 01:00 both become 28 February), so where it would run backwards it waits:

    - a day that the month lacks becomes the end, 23:59:59.000, of the month's last day;
    - a `since` in a day's last second counts as 23:59:59.000;
    - while clocks set back repeat an hour, `since` counts as that hour's end;
    - for as long after a gap as the gap was, the expiry is the end of that stretch.

    Raises OutOfCalendar past year 9999, and ValueError for other kinds of policy.
    """
    if policy.kind is not PolicyKind.INACTIVITY:
        raise ValueError("only an inactivity policy counts from an activity")
    local = latest_local_time(zone, since)
    day = _after(_period(policy), local)
    clamped = policy.period is not None and policy.period.months and day.day < local.day
    clock = LAST_SECOND if clamped else min(local.time(), LAST_SECOND)
    at = at_local_in_order(zone, datetime.combine(day, clock))
    return _round(policy.rounding, zone, day, at)


_LAST_DATE: dict[Rounding, Callable[[date], date]] = {
    Rounding.END_OF_DAY: lambda day: day,
    Rounding.END_OF_MONTH: end_of_month,
    Rounding.END_OF_QUARTER: end_of_quarter,
    Rounding.END_OF_YEAR: end_of_year,
}


LAST_INSTANT = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Stands for an inactivity period that ends beyond the calendar."""


def inactivity_lapse(policy: Policy, zone: ZoneInfo, since: datetime) -> datetime:
    """`inactivity_expiry`, or LAST_INSTANT where that lies beyond the calendar."""
    try:
        return inactivity_expiry(policy, zone, since)
    except OutOfCalendar:
        return LAST_INSTANT


def _round(rounding: Rounding, zone: ZoneInfo, day: date, at: datetime) -> datetime:
    if rounding is Rounding.NONE:
        return at
    end = _rounded_end(rounding, zone, day)
    while end < at:
        day = add_days_to_date(_LAST_DATE[rounding](day), 1)
        end = _rounded_end(rounding, zone, day)
    return end


@lru_cache(maxsize=8192)
def _rounded_end(rounding: Rounding, zone: ZoneInfo, day: date) -> datetime:
    return end_of_day(zone, _LAST_DATE[rounding](day))


def _next_fixed_date(policy: Policy, zone: ZoneInfo, earned_at: datetime) -> datetime:
    base = in_utc(earned_at)
    if policy.minimum_life is not None:
        base = add_days(zone, base, policy.minimum_life.days)
        base = add_months(zone, base, policy.minimum_life.months)
    day = _listed_date(policy.dates, local_date(zone, base))
    while (end := end_of_day(zone, day)) <= base:
        day = _listed_date(policy.dates, add_days_to_date(day, 1))
    return end


@lru_cache(maxsize=8192)
def _listed_date(dates: tuple[tuple[int, int], ...], day: date) -> date:
    """The first of the month-days on or after `day`, in whatever order they are listed."""
    this_year = [_month_day(day.year, *month_day) for month_day in dates]
    upcoming = [listed for listed in this_year if listed >= day]
    if upcoming:
        return min(upcoming)
    try:
        return min(_month_day(day.year + 1, *month_day) for month_day in dates)
    except ValueError:
        raise OutOfCalendar from None


def _month_day(year: int, month: int, day: int) -> date:
    return add_months_to_date(date(_LEAP_YEAR, month, day), (year - _LEAP_YEAR) * 12)


def _after(period: Period, local: datetime) -> date:
    day = local.date()
    if period.months:
        return add_months_to_date(day, period.months)
    return add_days_to_date(day, period.days)


def _period(policy: Policy) -> Period:
    if policy.period is None:
        raise ValueError("the policy has no period")
    return policy.period


# Definitions


def check_policy(policy: Policy) -> None:
    """Refuse a policy that is not well defined.

    Raises InvalidField with the path of the first field at fault, such as
    `policy.fixed_dates.dates[3]`; the index is that of `policy.dates` as given, in any order.
    """
    if not -PRIORITY_MAX <= policy.priority <= PRIORITY_MAX:
        problem = f"must be from -{PRIORITY_MAX} to {PRIORITY_MAX}"
        raise InvalidField("policy.priority", problem)
    _check_belongings(policy)
    if policy.kind is PolicyKind.PERIOD:
        _check_period("policy.period", policy.period)
    elif policy.kind is PolicyKind.FIXED_DATES:
        _check_dates(policy.dates)
        if policy.minimum_life is not None:
            _check_period("policy.fixed_dates.minimum_life", policy.minimum_life)
    elif policy.kind is PolicyKind.INACTIVITY:
        _check_period("policy.inactivity.period", policy.period)
        _check_qualifying(policy.qualifying)


def _check_belongings(policy: Policy) -> None:
    """Refuse what another kind of policy has."""
    counts = policy.kind in (PolicyKind.PERIOD, PolicyKind.INACTIVITY)
    if policy.period is not None and not counts:
        raise InvalidField("policy.period", "is not for this kind of policy")
    if policy.rounding is not Rounding.NONE and not counts:
        raise InvalidField("policy.rounding", "must be NONE for this kind of policy")
    if policy.kind is not PolicyKind.FIXED_DATES:
        if policy.dates:
            raise InvalidField("policy.fixed_dates.dates", "is not for this kind of policy")
        if policy.minimum_life is not None:
            path = "policy.fixed_dates.minimum_life"
            raise InvalidField(path, "is not for this kind of policy")


def _check_period(path: str, period: Period | None) -> None:
    if period is None or (period.days == 0) == (period.months == 0):
        raise InvalidField(path, "must have either days or months")
    if period.months == 0 and not 1 <= period.days <= DAYS_MAX:
        raise InvalidField(path, f"must be from 1 to {DAYS_MAX} days")
    if period.days == 0 and not 1 <= period.months <= MONTHS_MAX:
        raise InvalidField(path, f"must be from 1 to {MONTHS_MAX} months")


def _check_dates(dates: tuple[tuple[int, int], ...]) -> None:
    if not 1 <= len(dates) <= DATES_MAX:
        raise InvalidField("policy.fixed_dates.dates", f"must have from 1 to {DATES_MAX} dates")
    seen: set[tuple[int, int]] = set()
    for index, (month, day) in enumerate(dates):
        path = f"policy.fixed_dates.dates[{index}]"
        try:
            date(_LEAP_YEAR, month, day)
        except (ValueError, OverflowError):
            raise InvalidField(path, "must be a day of the year") from None
        if (month, day) in seen:
            raise InvalidField(path, "must not be listed twice")
        seen.add((month, day))


def _check_qualifying(qualifying: frozenset[TransactionType]) -> None:
    path = "policy.inactivity.qualifying_types"
    if not qualifying:
        raise InvalidField(path, "must name at least one transaction type")
    if TransactionType.EXPIRE in qualifying:
        raise InvalidField(path, "must not include EXPIRE")
