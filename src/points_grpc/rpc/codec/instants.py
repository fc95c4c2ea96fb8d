"""Timestamps and dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2

from points_grpc.errors import InvalidField

PERIOD_YEARS_MAX = 10

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_DAY_S = 86_400


def required(message: Message, field: str) -> None:
    """Refuse a message in which `field` is not set. Raises InvalidField."""
    if not message.HasField(field):
        raise InvalidField(field, "is required")


def read_instant(timestamp: Timestamp, field: str) -> datetime:
    """The instant, to the microsecond; finer digits are cut off. Raises InvalidField."""
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < 1_000_000_000):
        raise InvalidField(field, "must lie in the years 1 to 9999, nanos from 0 to 999999999")
    return _EPOCH + timedelta(0, seconds, nanos // 1000)


def put_instant(timestamp: Timestamp, at: datetime) -> None:
    """Set `timestamp` to an aware instant."""
    timestamp.seconds, timestamp.nanos = _parts_of(at)


@lru_cache(4096)  # an answer shows the same few instants again and again
def _parts_of(at: datetime) -> tuple[int, int]:
    since = at - _EPOCH
    return since.days * _DAY_S + since.seconds, since.microseconds * 1000


def read_date(day: date_pb2.Date, field: str) -> date:
    """The date, which must be full and exist. Raises InvalidField."""
    try:
        return date(day.year, day.month, day.day)
    except ValueError:
        raise InvalidField(field, "must be a date that exists, with year, month and day") from None


def put_date(message: date_pb2.Date, day: date) -> None:
    """Set `message` to a full date."""
    message.year, message.month, message.day = day.year, day.month, day.day


def read_period(start: Timestamp, end: Timestamp) -> tuple[datetime, datetime]:
    """A half-open period of at most PERIOD_YEARS_MAX years; it may be empty.

    Raises InvalidField.
    """
    start_at, end_at = read_instant(start, "start_time"), read_instant(end, "end_time")
    _in_order(start_at, end_at)
    if end_at > _years_later(start_at, PERIOD_YEARS_MAX):
        problem = f"must not be more than {PERIOD_YEARS_MAX} years after start_time"
        raise InvalidField("end_time", problem)
    return start_at, end_at


def read_bounds(
    start: Timestamp | None, end: Timestamp | None
) -> tuple[datetime | None, datetime | None]:
    """The bounds of a filter, each of which may be missing. Raises InvalidField."""
    start_at = None if start is None else read_instant(start, "start_time")
    end_at = None if end is None else read_instant(end, "end_time")
    if start_at is not None and end_at is not None:
        _in_order(start_at, end_at)
    return start_at, end_at


def _in_order(start_at: datetime, end_at: datetime) -> None:
    if end_at < start_at:
        raise InvalidField("end_time", "must not be before start_time")


def _years_later(at: datetime, years: int) -> datetime:
    if at.year + years > date.max.year:
        return datetime.max.replace(tzinfo=UTC)
    try:
        return at.replace(year=at.year + years)
    except ValueError:  # 29 February
        return at.replace(year=at.year + years, month=3, day=1)
