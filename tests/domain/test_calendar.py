"""Calendar arithmetic in a zone, at every place where clocks or calendars jump."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.domain.policies import repeatable, utc

from points_grpc.domain import calendar
from points_grpc.domain.calendar import OutOfCalendar

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LORD_HOWE, APIA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")
SAO_PAULO, KATHMANDU = ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kathmandu")
BEIRUT, CAIRO = ZoneInfo("Asia/Beirut"), ZoneInfo("Africa/Cairo")
ST_JOHNS, NUUK = ZoneInfo("America/St_Johns"), ZoneInfo("America/Nuuk")
ASUNCION, HAVANA = ZoneInfo("America/Asuncion"), ZoneInfo("America/Havana")
TORONTO, KIRITIMATI = ZoneInfo("America/Toronto"), ZoneInfo("Pacific/Kiritimati")
EAST, HONOLULU = ZoneInfo("Etc/GMT-14"), ZoneInfo("Etc/GMT+10")
ODD = [BERLIN, NEW_YORK, LORD_HOWE, APIA, SAO_PAULO, KATHMANDU, BEIRUT, CAIRO]
ODD += [ST_JOHNS, NUUK, ASUNCION, HAVANA, KIRITIMATI, ZoneInfo("UTC")]


def naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


TICK = timedelta(microseconds=1)
zones = st.sampled_from(ODD)
instants = st.datetimes(naive("1975-01-01"), naive("2040-01-01"), timezones=st.just(UTC))
days = st.dates(date(1975, 1, 1), date(2040, 1, 1))


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        (BERLIN, "2025-01-15 12:00", "2025-01-15 11:00"),
        (BERLIN, "2025-07-15 12:00", "2025-07-15 10:00"),
        (KATHMANDU, "2025-07-15 12:00", "2025-07-15 06:15"),
        (KATHMANDU, "1985-12-31 23:59:59", "1985-12-31 18:29:59"),
        (KATHMANDU, "1986-01-01 00:14:59", "1985-12-31 18:44:59"),
        (KATHMANDU, "1986-01-01 00:15", "1985-12-31 18:30"),
    ],
)
def test_local_time(zone: ZoneInfo, local: str, expected: str) -> None:
    """A local time is read with the zone's offset of that day, quarter hours included."""
    assert calendar.at_local(zone, naive(local)) == utc(expected)


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        (BERLIN, "2025-10-26 01:59:59.999999", "2025-10-25 23:59:59.999999"),
        (BERLIN, "2025-10-26 02:00", "2025-10-26 01:00"),
        (BERLIN, "2025-10-26 02:59:59.999999", "2025-10-26 01:59:59.999999"),
        (BERLIN, "2025-10-26 03:00", "2025-10-26 02:00"),
        (NEW_YORK, "2025-11-02 00:59:59", "2025-11-02 04:59:59"),
        (NEW_YORK, "2025-11-02 01:00", "2025-11-02 06:00"),
        (NEW_YORK, "2025-11-02 02:00", "2025-11-02 07:00"),
        (LORD_HOWE, "2025-04-06 01:29:59", "2025-04-05 14:29:59"),
        (LORD_HOWE, "2025-04-06 01:30", "2025-04-05 15:00"),
        (LORD_HOWE, "2025-04-06 02:00", "2025-04-05 15:30"),
        (SAO_PAULO, "2018-02-17 22:59:59", "2018-02-18 00:59:59"),
        (SAO_PAULO, "2018-02-17 23:00", "2018-02-18 02:00"),
        (SAO_PAULO, "2018-02-18 00:00", "2018-02-18 03:00"),
        (BEIRUT, "2022-10-29 23:30", "2022-10-29 21:30"),
        (CAIRO, "2024-10-31 23:30", "2024-10-31 21:30"),
    ],
)
def test_repeated_local_time(zone: ZoneInfo, local: str, expected: str) -> None:
    """A local time that occurs twice means the later one."""
    assert calendar.at_local(zone, naive(local)) == utc(expected)
    assert calendar.at_local(zone, naive(local).replace(fold=1)) == utc(expected)


@pytest.mark.parametrize(
    ("zone", "local", "moved_to"),
    [
        (BERLIN, "2025-03-30 01:59:59", "2025-03-30 01:59:59"),
        (BERLIN, "2025-03-30 02:00", "2025-03-30 03:00"),
        (BERLIN, "2025-03-30 02:59:59", "2025-03-30 03:59:59"),
        (BERLIN, "2025-03-30 03:00", "2025-03-30 03:00"),
        (NEW_YORK, "2025-03-09 02:30", "2025-03-09 03:30"),
        (LORD_HOWE, "2025-10-05 02:10", "2025-10-05 02:40"),
        (SAO_PAULO, "2018-11-04 00:00", "2018-11-04 01:00"),
        (SAO_PAULO, "2018-11-04 00:59", "2018-11-04 01:59"),
        (BEIRUT, "2022-03-27 00:15", "2022-03-27 01:15"),
        (CAIRO, "2023-04-28 00:15", "2023-04-28 01:15"),
        (APIA, "2011-12-29 23:59:59", "2011-12-29 23:59:59"),
        (APIA, "2011-12-30 00:00", "2011-12-31 00:00"),
        (APIA, "2011-12-30 23:59:59", "2011-12-31 23:59:59"),
        (KIRITIMATI, "1994-12-31 12:00", "1995-01-01 12:00"),
    ],
)
def test_skipped_local_time(zone: ZoneInfo, local: str, moved_to: str) -> None:
    """A local time that does not exist moves forward by the gap, be it a whole day."""
    at = calendar.at_local(zone, naive(local))
    assert calendar.local_time(zone, at) == naive(moved_to)
    assert at.tzinfo is UTC


def test_naive_and_aware_are_not_confused() -> None:
    """A local time must be naive and an instant aware, whatever zone the instant is told in."""
    with pytest.raises(ValueError, match="naive"):
        calendar.at_local(BERLIN, utc("2025-01-01"))
    for function in (calendar.local_date, calendar.local_time, calendar.latest_local_time):
        with pytest.raises(ValueError, match="aware"):
            function(BERLIN, naive("2025-01-01"))
    with pytest.raises(ValueError, match="aware"):
        calendar.in_utc(naive("2025-01-01"))
    for n in (0, 1):
        with pytest.raises(ValueError, match="aware"):
            calendar.add_days(BERLIN, naive("2025-01-01"), n)
    told_in_tokyo = datetime(2025, 1, 1, 8, tzinfo=timezone(timedelta(hours=9)))
    assert calendar.local_time(NEW_YORK, told_in_tokyo) == naive("2024-12-31 18:00")
    assert calendar.add_months(NEW_YORK, told_in_tokyo, 2) == utc("2025-02-28 23:00")


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        (BERLIN, "2025-01-15", "2025-01-15 22:59:59"),
        (BERLIN, "2025-03-30", "2025-03-30 21:59:59"),
        (BERLIN, "2025-10-26", "2025-10-26 22:59:59"),
        (LORD_HOWE, "2025-04-06", "2025-04-06 13:29:59"),
        (SAO_PAULO, "2018-02-17", "2018-02-18 02:59:59"),
        (SAO_PAULO, "2018-11-03", "2018-11-04 02:59:59"),
        (ST_JOHNS, "2010-11-06", "2010-11-07 03:29:59"),
        (APIA, "2011-12-29", "2011-12-30 09:59:59"),
        (APIA, "2011-12-30", "2011-12-31 09:59:59"),
        (APIA, "2011-12-31", "2011-12-31 09:59:59"),
        (NUUK, "2024-03-30", "2024-03-31 01:59:59"),
    ],
)
def test_end_of_day(zone: ZoneInfo, day: str, expected: str) -> None:
    """A day ends at 23:59:59.000 of its date, read as any other local time."""
    assert calendar.end_of_day(zone, date.fromisoformat(day)) == utc(expected)


@repeatable
@given(zones, days)
def test_end_of_day_is_in_its_day(zone: ZoneInfo, day: date) -> None:
    """The end of a day has that day's date unless clocks skip its last second."""
    at = calendar.end_of_day(zone, day)
    last = datetime.combine(day, calendar.LAST_SECOND)
    if calendar.local_time(zone, at) == last:
        assert calendar.local_time(zone, at + timedelta(seconds=1)).date() != day
    else:
        assert day in (date(2011, 12, 30), date(1994, 12, 31)) or zone is NUUK
        assert calendar.local_time(zone, at) > last


@repeatable
@given(zones, days, st.integers(1, 400))
def test_days_end_in_order(zone: ZoneInfo, day: date, later: int) -> None:
    """A later day never ends, nor starts, before an earlier one."""
    after = day + timedelta(days=later)
    assert calendar.end_of_day(zone, day) <= calendar.end_of_day(zone, after)
    assert calendar.start_of_day(zone, day) <= calendar.start_of_day(zone, after)


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        (BERLIN, "2025-03-30", "2025-03-29 23:00"),
        (HAVANA, "2026-11-01", "2026-11-01 04:00"),  # 00:00 occurs twice
        (ST_JOHNS, "2009-11-01", "2009-11-01 02:30"),  # back to 31 October a minute later
        (CAIRO, "2024-11-01", "2024-10-31 22:00"),  # the hour before it occurs twice
        (ASUNCION, "2017-10-01", "2017-10-01 04:00"),  # from 00:00 to 01:00
        (SAO_PAULO, "2018-11-04", "2018-11-04 03:00"),
        (TORONTO, "1919-03-31", "1919-03-31 04:30"),  # from 23:30 to 00:30
        (APIA, "2011-12-30", "2011-12-30 10:00"),
        (APIA, "2011-12-31", "2011-12-30 10:00"),
    ],
)
def test_start_of_day(zone: ZoneInfo, day: str, expected: str) -> None:
    """A day starts at the first instant whose local date is that day, or a later one."""
    start = calendar.start_of_day(zone, date.fromisoformat(day))
    assert start == utc(expected)
    assert calendar.local_date(zone, start) >= date.fromisoformat(day)
    assert calendar.latest_local_time(zone, start - TICK).date() < date.fromisoformat(day)


@pytest.mark.parametrize(
    ("zone", "at", "n", "expected"),
    [
        (BERLIN, "2025-03-29 11:00", 1, "2025-03-30 10:00"),  # a day of 23 hours
        (BERLIN, "2025-10-25 10:00", 1, "2025-10-26 11:00"),  # a day of 25 hours
        (BERLIN, "2025-03-29 01:30", 1, "2025-03-30 01:30"),  # 02:30 becomes 03:30
        (BERLIN, "2025-10-25 00:30", 1, "2025-10-26 01:30"),  # 02:30, the later one
        (NEW_YORK, "2025-03-10 04:00", -1, "2025-03-09 05:00"),
        (LORD_HOWE, "2025-10-04 13:30", 1, "2025-10-05 13:00"),
        (APIA, "2011-12-29 20:00", 1, "2011-12-30 20:00"),
        (APIA, "2011-12-29 20:00", 2, "2011-12-30 20:00"),
        (KATHMANDU, "2024-02-28 18:14:59.999999", 1, "2024-02-29 18:14:59.999999"),
        (KATHMANDU, "2024-02-28 18:15", 366, "2025-02-28 18:15"),
    ],
)
def test_add_days(zone: ZoneInfo, at: str, n: int, expected: str) -> None:
    """Days are added on the calendar and keep the local time, across daylight saving too."""
    assert calendar.add_days(zone, utc(at), n) == utc(expected)


@pytest.mark.parametrize(
    ("zone", "at", "n", "expected"),
    [
        (BERLIN, "2025-01-28 11:00", 1, "2025-02-28 11:00"),
        (BERLIN, "2025-01-29 11:00", 1, "2025-02-28 11:00"),
        (BERLIN, "2025-01-31 11:00", 1, "2025-02-28 11:00"),
        (BERLIN, "2024-01-31 11:00", 1, "2024-02-29 11:00"),
        (BERLIN, "2024-02-29 11:00", 12, "2025-02-28 11:00"),
        (BERLIN, "2024-02-29 11:00", 48, "2028-02-29 11:00"),
        (BERLIN, "2025-01-15 11:00", 6, "2025-07-15 10:00"),
        (BERLIN, "2025-07-15 10:00", -6, "2025-01-15 11:00"),
        (BERLIN, "2025-12-31 22:59:59.5", 1, "2026-01-31 22:59:59.5"),
        (BERLIN, "2025-12-31 23:00", 1, "2026-01-31 23:00"),  # 1 January there
        (NEW_YORK, "2025-02-09 07:30", 1, "2025-03-09 07:30"),  # 02:30 becomes 03:30
        (NEW_YORK, "2025-10-02 05:30", 1, "2025-11-02 06:30"),  # 01:30, the later one
        (APIA, "2011-12-01 09:00", 1, "2011-12-31 09:00"),
    ],
)
def test_add_months(zone: ZoneInfo, at: str, n: int, expected: str) -> None:
    """Months are added on the calendar, keep the local time, and clamp to the last day."""
    assert calendar.add_months(zone, utc(at), n) == utc(expected)


@repeatable
@given(zones, instants)
def test_add_nothing(zone: ZoneInfo, at: datetime) -> None:
    """Adding no time changes nothing, not even in the first of two equal hours."""
    assert calendar.add_days(zone, at, 0) == calendar.add_months(zone, at, 0) == at


def test_months_of_dates() -> None:
    """Months added to a date clamp to the last day and cross years both ways."""
    assert calendar.add_months_to_date(date(2025, 1, 31), 1) == date(2025, 2, 28)
    assert calendar.add_months_to_date(date(2000, 1, 31), 1) == date(2000, 2, 29)
    assert calendar.add_months_to_date(date(2025, 12, 15), 1) == date(2026, 1, 15)
    assert calendar.add_months_to_date(date(2025, 1, 15), -1) == date(2024, 12, 15)
    assert calendar.add_months_to_date(date(2025, 3, 31), -13) == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("day", "month", "quarter"),
    [
        (date(2025, 1, 1), date(2025, 1, 31), date(2025, 3, 31)),
        (date(2025, 2, 28), date(2025, 2, 28), date(2025, 3, 31)),
        (date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 31)),
        (date(2025, 3, 31), date(2025, 3, 31), date(2025, 3, 31)),
        (date(2025, 4, 1), date(2025, 4, 30), date(2025, 6, 30)),
        (date(2025, 9, 30), date(2025, 9, 30), date(2025, 9, 30)),
        (date(2025, 10, 1), date(2025, 10, 31), date(2025, 12, 31)),
        (date.max, date.max, date.max),
    ],
)
def test_ends(day: date, month: date, quarter: date) -> None:
    """Months, quarters and years end on the last date of theirs, which is its own end."""
    assert calendar.end_of_month(day) == month
    assert calendar.end_of_quarter(day) == quarter
    assert calendar.end_of_year(day) == date(day.year, 12, 31)


def test_end_of_the_calendar() -> None:
    """A date or instant is refused as soon as it passes year 9999, in local time or in UTC."""
    last = utc("9999-12-31 23:59:59")
    assert calendar.add_days_to_date(date(9999, 12, 30), 1) == date.max
    assert calendar.add_months_to_date(date(9999, 11, 30), 1) == date(9999, 12, 30)
    assert calendar.end_of_day(BERLIN, date.max) == utc("9999-12-31 22:59:59")
    assert calendar.end_of_day(ZoneInfo("UTC"), date.max) == last
    for beyond in (
        lambda: calendar.add_days_to_date(date.max, 1),
        lambda: calendar.add_days_to_date(date.max, 10**12),
        lambda: calendar.add_months_to_date(date(9999, 12, 1), 1),
        lambda: calendar.add_months_to_date(date(9999, 12, 1), 10**12),
        lambda: calendar.end_of_day(HONOLULU, date.max),
        lambda: calendar.end_of_day(NEW_YORK, date.max),
        lambda: calendar.add_days(BERLIN, last - timedelta(hours=3), 1),
        lambda: calendar.add_months(BERLIN, utc("9999-12-01"), 1),
        lambda: calendar.local_date(BERLIN, last),
        lambda: calendar.in_utc(last.replace(tzinfo=HONOLULU)),
        lambda: calendar.month_window(BERLIN, utc("9999-11-15"), 0, 1),
    ):
        with pytest.raises(OutOfCalendar, match="years 1 to 9999"):
            beyond()


def test_start_of_the_calendar() -> None:
    """A date or instant is refused as soon as it passes year 1, in local time or in UTC."""
    assert calendar.add_days_to_date(date(1, 1, 2), -1) == date.min
    assert calendar.add_months_to_date(date(1, 2, 28), -1) == date(1, 1, 28)
    assert calendar.start_of_day(HONOLULU, date.min) == utc("0001-01-01 10:00")
    for beyond in (
        lambda: calendar.add_days_to_date(date.min, -1),
        lambda: calendar.add_months_to_date(date(1, 1, 31), -1),
        lambda: calendar.at_local(EAST, naive("0001-01-01 13:59")),
        lambda: calendar.start_of_day(EAST, date.min),
        lambda: calendar.local_date(HONOLULU, utc("0001-01-01 09:59")),
        lambda: calendar.add_days(BERLIN, utc("0001-01-02"), -2),
        lambda: calendar.month_window(BERLIN, utc("0001-01-15"), 1, 0),
    ):
        with pytest.raises(OutOfCalendar):
            beyond()
    assert calendar.at_local(EAST, naive("0001-01-01 14:00")) == utc("0001-01-01")
    assert calendar.at_local_in_order(HONOLULU, naive("0001-01-01")) == utc("0001-01-01 10:00")


@pytest.mark.parametrize(
    ("zone", "from_at", "to_at", "expected"),
    [
        (BERLIN, "2025-06-01 21:59:59", "2025-06-01 22:00", 1),
        (BERLIN, "2025-06-01 22:00", "2025-06-02 21:59:59", 0),
        (BERLIN, "2025-06-01 22:00", "2025-06-01 21:59:59", -1),
        (NEW_YORK, "2025-06-01 21:59:59", "2025-06-01 22:00", 0),
        (BERLIN, "2025-03-29 23:00", "2025-03-30 22:00", 1),  # 23 hours
        (BERLIN, "2025-10-25 22:00", "2025-10-26 22:59", 0),  # almost 25 hours
        (APIA, "2011-12-30 09:59", "2011-12-30 10:00", 2),
        (KATHMANDU, "2024-02-28 18:15", "2024-03-01 18:14", 1),
        (BERLIN, "9999-12-30 12:00", "9999-12-31 23:30", 1),  # already beyond the calendar
        (HONOLULU, "0001-01-01 01:00", "0001-01-02 11:00", 1),  # not yet in the calendar
    ],
)
def test_days_between(zone: ZoneInfo, from_at: str, to_at: str, expected: int) -> None:
    """Days between two instants are counted on the zone's calendar, not in hours."""
    assert calendar.days_between(zone, utc(from_at), utc(to_at)) == expected


def test_month_window() -> None:
    """A window has the trailing months, the month of now in the zone, and the forward months."""
    months = calendar.month_window(BERLIN, utc("2025-02-28 23:00"), 2, 1)
    assert [month.first for month in months] == [date(2025, n, 1) for n in (1, 2, 3, 4)]
    assert [month.last.day for month in months] == [31, 28, 31, 30]
    assert months[2].starts_at == utc("2025-02-28 23:00")
    assert months[2].ends_at == utc("2025-03-31 22:00")
    (only,) = calendar.month_window(BERLIN, utc("2025-02-28 22:59:59.999999"), 0, 0)
    assert (only.first, only.last) == (date(2025, 2, 1), date(2025, 2, 28))
    for trailing, forward in ((-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            calendar.month_window(BERLIN, utc("2025-02-28"), trailing, forward)


def test_month_with_an_odd_start() -> None:
    """A month whose first midnight is skipped or repeated starts at its first instant."""
    (october,) = calendar.month_window(ASUNCION, utc("2017-10-15"), 0, 0)
    assert october.starts_at == utc("2017-10-01 04:00")
    (november,) = calendar.month_window(HAVANA, utc("2026-11-15"), 0, 0)
    assert november.starts_at == utc("2026-11-01 04:00")
    (january,) = calendar.month_window(KIRITIMATI, utc("1995-01-15"), 0, 0)
    assert january.starts_at == utc("1994-12-31 10:00")
    (back_in_october,) = calendar.month_window(ST_JOHNS, utc("2009-11-01 03:00"), 0, 0)
    assert back_in_october.first == date(2009, 11, 1)


@repeatable
@given(zones, instants, st.integers(0, 15), st.integers(0, 15))
def test_months_are_contiguous(zone: ZoneInfo, now: datetime, trailing: int, forward: int) -> None:
    """Each month ends where the next starts, none is missing, and now lies in its own."""
    months = calendar.month_window(zone, now, trailing, forward)
    assert len(months) == trailing + 1 + forward
    for month, following in pairwise(months):
        assert month.ends_at == following.starts_at
        assert month.last + timedelta(days=1) == following.first
    assert months[trailing].starts_at <= now < months[trailing].ends_at
    for month in months:
        assert calendar.local_date(zone, month.starts_at) == month.first
        assert calendar.latest_local_time(zone, month.ends_at - TICK).date() <= month.last


def test_latest_local_time() -> None:
    """While clocks repeat an hour, the latest local time they have shown stands still."""
    for at, expected in (
        ("2025-10-26 00:59:59.999999", "2025-10-26 02:59:59.999999"),
        ("2025-10-26 01:00", "2025-10-26 02:59:59.999999"),
        ("2025-10-26 01:59:59", "2025-10-26 02:59:59.999999"),
        ("2025-10-26 02:00", "2025-10-26 03:00"),
    ):
        assert calendar.latest_local_time(BERLIN, utc(at)) == naive(expected)
    last = naive("2025-11-02 01:59:59.999999")
    assert calendar.latest_local_time(NEW_YORK, utc("2025-11-02 06:30")) == last


def test_at_local_in_order() -> None:
    """For as long after a gap as the gap was, the ordered instant is the end of that stretch."""
    for local, expected in (
        ("2025-03-30 02:00", "2025-03-30 01:00"),
        ("2025-03-30 02:59:59.999999", "2025-03-30 01:59:59.999999"),
        ("2025-03-30 03:00", "2025-03-30 02:00"),
        ("2025-03-30 03:59:59.999999", "2025-03-30 02:00"),
        ("2025-03-30 04:00", "2025-03-30 02:00"),
        ("2025-03-30 04:00:00.5", "2025-03-30 02:00:00.5"),
    ):
        assert calendar.at_local_in_order(BERLIN, naive(local)) == utc(expected)
    assert calendar.at_local_in_order(NUUK, naive("2024-03-31 00:30")) == utc("2024-03-31 02:00")
    assert calendar.at_local_in_order(APIA, naive("2011-12-31 12:00")) == utc("2011-12-31 10:00")
