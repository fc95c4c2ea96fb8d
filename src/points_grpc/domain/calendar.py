"""Calendar arithmetic in a time zone.

Instants go in aware, of any zone, and come out aware and in UTC; a naive datetime is a local
time. Whatever would fall outside the years 1 to 9999, in local time or in UTC, raises
OutOfCalendar.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

LAST_SECOND = time(23, 59, 59)
"""The local time at which a day ends: its last second is no longer part of it."""

_MIDNIGHT = time(0)
_DAY = timedelta(days=1)
_NO_TIME = timedelta(0)
_TICK = timedelta(microseconds=1)


class OutOfCalendar(ValueError):
    """The result lies outside the years 1 to 9999."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in a zone: its first and last date, and the instants it spans.

    `starts_at` is inclusive, `ends_at` exclusive and the start of the next month.
    """

    first: date
    last: date
    starts_at: datetime
    ends_at: datetime


# Dates


def add_days_to_date(day: date, n: int) -> date:
    """The date `n` days after `day` (before it, if negative)."""
    try:
        return day + timedelta(days=n)
    except OverflowError:
        raise OutOfCalendar from None


def add_months_to_date(day: date, n: int) -> date:
    """The date `n` months after `day`; a day that the month lacks becomes its last day."""
    return _add_months_to_date(day, n)


@lru_cache(maxsize=4096)
def _add_months_to_date(day: date, n: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + n, 12)
    if not MINYEAR <= year <= MAXYEAR:
        raise OutOfCalendar
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def end_of_month(day: date) -> date:
    """The last date of the month that `day` is in."""
    return date(day.year, day.month, monthrange(day.year, day.month)[1])


def end_of_quarter(day: date) -> date:
    """The last date of the calendar quarter that `day` is in."""
    return end_of_month(date(day.year, (day.month + 2) // 3 * 3, 1))


def end_of_year(day: date) -> date:
    """31 December of the year that `day` is in."""
    return date(day.year, 12, 31)


# Local times


def in_utc(at: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError if `at` is naive."""
    return _in_zone(UTC, at)


def at_local(zone: ZoneInfo, naive_local: datetime) -> datetime:
    """The instant at which clocks in `zone` show `naive_local`.

    A local time that occurs twice means the later one; one that does not exist moves forward
    by the gap. Raises ValueError if it is given an aware datetime.
    """
    if naive_local.tzinfo is not None:
        raise ValueError("a local time must be naive")
    day = naive_local.date()
    offset = _offset_all_day(zone, day)
    if offset is None:
        # In a gap the offset before it moves the time forward; where clocks are set back the
        # offset after it gives the second occurrence. Each time it is the smaller of the two.
        offset = min(_offsets(zone, naive_local))
    return _instant(day, naive_local.time(), offset)


def local_time(zone: ZoneInfo, at: datetime) -> datetime:
    """Return the naive local time in `zone`. Raises ValueError if `at` is naive."""
    return _naive(_in_zone(zone, at))


def local_date(zone: ZoneInfo, at: datetime) -> date:
    """The calendar date in `zone` at an instant. Raises ValueError if `at` is naive."""
    return _in_zone(zone, at).date()


def nearest_local_date(zone: ZoneInfo, at: datetime) -> date:
    """`local_date`, or the calendar's first or last date where that lies beyond it."""
    try:
        return local_date(zone, at)
    except OutOfCalendar:
        return in_utc(at).date()


def start_of_day(zone: ZoneInfo, day: date) -> datetime:
    """The first instant at which the date in `zone` is `day`, or later if it is skipped."""
    before, after = _offsets(zone, datetime.combine(day, _MIDNIGHT))
    first = _instant(day, _MIDNIGHT, before)
    if before >= after:
        return first
    return _turn(zone, _instant(day, _MIDNIGHT, after), first)


def end_of_day(zone: ZoneInfo, day: date) -> datetime:
    """23:59:59.000 of a date in `zone`.

    Where clocks skip that second it moves forward by the gap, as in `at_local`, and so lies in
    the next day.
    """
    return _end_of_day(zone, day)


@lru_cache(maxsize=8192)
def _end_of_day(zone: ZoneInfo, day: date) -> datetime:
    return at_local(zone, datetime.combine(day, LAST_SECOND))


def add_days(zone: ZoneInfo, at: datetime, n: int) -> datetime:
    """The instant `n` calendar days after `at` (before, if negative), at the same local time."""
    if n == 0:
        return in_utc(at)
    local = local_time(zone, at)
    return at_local(zone, datetime.combine(add_days_to_date(local.date(), n), local.time()))


def add_months(zone: ZoneInfo, at: datetime, n: int) -> datetime:
    """The instant `n` months after `at` (before, if negative), at the same local time.

    A day that the month lacks becomes its last day.
    """
    if n == 0:
        return in_utc(at)
    local = local_time(zone, at)
    return at_local(zone, datetime.combine(add_months_to_date(local.date(), n), local.time()))


def days_between(zone: ZoneInfo, from_at: datetime, to_at: datetime) -> int:
    """Return the calendar days from `from_at` to `to_at` in `zone`; negative if before.

    What lies beyond the calendar counts as its nearest day.
    """
    return (nearest_local_date(zone, to_at) - nearest_local_date(zone, from_at)).days


# Where clocks are set back, local time runs the same stretch twice; where they are set forward,
# moving by the gap overtakes what follows it. The two functions below are the nearest to
# `local_time` and `at_local` that never run backwards, for rules that must not either.


def latest_local_time(zone: ZoneInfo, at: datetime) -> datetime:
    """The latest local time that clocks in `zone` have shown up to `at`, naive.

    While clocks that were set back repeat a stretch, this stays at its end.
    """
    local = _in_zone(zone, at)
    if not local.fold:
        return _naive(local)
    before, after = _offsets(zone, local)
    at = in_utc(at)
    return local_time(zone, _turn(zone, at - (before - after), at) - _TICK)


def at_local_in_order(zone: ZoneInfo, naive_local: datetime) -> datetime:
    """`at_local`, but never before what an earlier local time gives.

    So a local time that follows a gap within the gap's length (after 02:00 became 03:00, one
    before 04:00) gives the end of that length.
    """
    at = at_local(zone, naive_local)
    if _is_calm(zone, naive_local.date()):
        return at
    before, after = _offsets(zone, naive_local)
    if before < after:
        return at
    try:
        gap = _offset_at(zone, at) - _offset_at(zone, at - _DAY)
    except OverflowError:
        return at
    if gap <= _NO_TIME or _offset_at(zone, at - gap) == _offset_at(zone, at):
        return at
    return _turn(zone, at - gap, at) + gap


# Months


def month_window(zone: ZoneInfo, now: datetime, trailing: int, forward: int) -> tuple[Month, ...]:
    """The month of `now` in `zone`, `trailing` months before it and `forward` after it.

    In calendar order, without gaps or overlaps: `trailing + 1 + forward` months. A month starts
    at the first instant whose local date is in it, so that `now` is always in its own. Raises
    ValueError for a negative count.
    """
    if trailing < 0 or forward < 0:
        raise ValueError("a number of months must not be negative")
    this = latest_local_time(zone, now).date().replace(day=1)
    firsts = [add_months_to_date(this, n) for n in range(-trailing, forward + 2)]
    starts = [start_of_day(zone, first) for first in firsts]
    return tuple(
        Month(first, end_of_month(first), starts_at, ends_at)
        for first, (starts_at, ends_at) in zip(firsts, pairwise(starts), strict=False)
    )


# Offsets


def _in_zone(zone: tzinfo, at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("an instant must be aware")
    try:
        return at.astimezone(zone)
    except OverflowError:
        raise OutOfCalendar from None


# `datetime.replace` costs several times what `datetime.combine` does, and every earn comes by
# here; adding no time drops the fold that `combine` keeps.


def _naive(local: datetime) -> datetime:
    return datetime.combine(local.date(), local.time()) + _NO_TIME


def _instant(day: date, clock: time, offset: timedelta) -> datetime:
    try:
        return datetime.combine(day, clock, UTC) - offset
    except OverflowError:
        raise OutOfCalendar from None


@lru_cache(maxsize=8192)
def _offset_all_day(zone: ZoneInfo, day: date) -> timedelta | None:
    """The UTC offset that holds for every local time of a date; None if it changes."""
    offsets = {
        offset
        for hour in (0, 6, 12, 18)
        for offset in _offsets(zone, datetime.combine(day, time(hour)))
    }
    offsets.update(_offsets(zone, datetime.combine(day, time.max)))
    return offsets.pop() if len(offsets) == 1 else None


def _offsets(zone: ZoneInfo, local: datetime) -> tuple[timedelta, timedelta]:
    """The UTC offsets of a local time's first and second reading (PEP 495).

    The first is smaller in a gap and larger where clocks are set back; else they are equal.
    """
    first = zone.utcoffset(local.replace(fold=0))
    second = zone.utcoffset(local.replace(fold=1))
    assert first is not None and second is not None  # noqa: S101  # a ZoneInfo always has one
    return first, second


@lru_cache(maxsize=8192)
def _is_calm(zone: ZoneInfo, day: date) -> bool:
    """Whether clocks change neither on a date nor on the one before."""
    if day == date.min:
        return False
    offset = _offset_all_day(zone, day)
    return offset is not None and offset == _offset_all_day(zone, day - _DAY)


def _offset_at(zone: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101  # a ZoneInfo always has one
    return offset


def _turn(zone: ZoneInfo, earlier: datetime, later: datetime) -> datetime:
    """The first instant (whole seconds) with the offset of `later`.

    `earlier` and `later` are in UTC, and the offset changes once between them.
    """
    start, target = earlier.replace(microsecond=0), _offset_at(zone, later)
    seconds = range(int((later - start).total_seconds()) + 1)

    def turned(second: int) -> bool:
        return _offset_at(zone, start + timedelta(seconds=second)) == target

    return start + timedelta(seconds=bisect_left(seconds, True, key=turned))
