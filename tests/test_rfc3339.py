"""Instants in the form of RFC 3339: one table of spellings, which every edge reads alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from points_grpc.config import load
from points_grpc.errors import InvalidField
from points_grpc.gateway.errors import Problem
from points_grpc.gateway.transcoding.parsing import from_json
from points_grpc.gateway.vendors.altcraft import routes
from points_grpc.rfc3339 import NotAnInstant, read_instant, read_parts
from points_grpc.service.transfer.importer import values

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
HALF = NOON.replace(microsecond=500_000)

READ = {
    "2026-01-31T12:00:00Z": NOON,
    "2026-01-31t12:00:00z": NOON,
    "2026-01-31 12:00:00z": NOON,
    "2026-01-31T12:00:00+00:00": NOON,
    "2026-01-31T12:00:00-00:00": NOON,
    "2026-01-31T13:59:00+01:59": NOON,
    "2026-01-31T10:30:00-01:30": NOON,
    "2026-02-01T11:59:00+23:59": NOON,
    "2026-01-30T12:01:00-23:59": NOON,
    "2026-01-31T12:00:00.5Z": HALF,
    "2026-01-31T13:00:00.500000000+01:00": HALF,
    "2026-01-31T00:00:00Z": datetime(2026, 1, 31, tzinfo=UTC),
    "2026-01-31T23:59:59Z": datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
    "2024-02-29T00:00:00Z": datetime(2024, 2, 29, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.999999Z": datetime.max.replace(tzinfo=UTC),
}

REFUSED = (
    "",
    "now",
    "Z",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-01-31T12:00Z",
    "2026-01-31T12Z",
    "2026-01-31T12:00:00+01:60",
    "2026-01-31T12:00:00+01:99",
    "2026-01-31T12:00:00+24:00",
    "2026-01-31T12:00:00-24:00",
    "2026-01-31T12:00:00+0100",
    "2026-01-31T12:00:00+01",
    "2026-01-31T12:00:00+01:00:00",
    "2026-01-31T12:00:00+1:00",
    "2026-01-31T12:00:00 01:00",
    "2026-01-31T12:00:00−01:00",
    "2026-01-31T12:00:00 Z",
    "2026-01-31T12:00:00ZZ",
    "2026-01-31T12:00:00UTC",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31T12:00:60Z",
    "2016-12-31T23:59:60Z",
    "2026-01-31T12:00:00.Z",
    "2026-01-31T12:00:00,5Z",
    "2026-01-31T12:00:00.-5Z",
    "2026-01-31T12:00:00.5 Z",
    "2026-01-31_12:00:00Z",
    "2026-01-31  12:00:00Z",
    "2026-01-31T12-00-00Z",
    "2026-01-31T1:00:00Z",
    "20260131T120000Z",
    "2026-W05-6T12:00:00Z",
    "2026-031T12:00:00Z",
    "2026-1-31T12:00:00Z",
    "26-01-31T12:00:00Z",
    "+2026-01-31T12:00:00Z",
    "-2026-01-31T12:00:00Z",
    "12026-01-31T12:00:00Z",
    "2026-00-31T12:00:00Z",
    "2026-13-31T12:00:00Z",
    "2026-02-29T12:00:00Z",
    "2026-01-00T12:00:00Z",
    "2026-01-32T12:00:00Z",
    "0000-01-01T12:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    " 2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00Z ",
    "2026-01-31T12:00:00Z\n",
    "2026-01-31T12:00:00Z\0",
    "２０２６-01-31T12:00:00Z",
    "2026-01-31T١٢:00:00Z",
    "2026-01-31T12:00:00.٥Z",
    "2026-01-31T12:00:00+٠1:00",
    "1769860800",
)


def imported(text: str) -> datetime:
    """What a file's field is read as."""
    return values.read_instant(text, ZoneInfo("Europe/Berlin"), "earned_at")


def configured(text: str) -> datetime | None:
    """What a setting is read as."""
    return load(start_time=text).start_time


def transcoded(text: str) -> datetime:
    """What a field of /v1 is read as."""
    message = Timestamp()
    from_json(text, message)
    return message.ToDatetime(tzinfo=UTC)


def asked_of_altcraft(text: str) -> datetime:
    """What a field of Altcraft's is read as."""
    return routes._first_instant(text).ToDatetime(tzinfo=UTC)


EDGES = (read_instant, imported, configured, transcoded, asked_of_altcraft)
REFUSALS = (NotAnInstant, InvalidField, ValidationError, Problem)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(("text", "at"), READ.items())
def test_spellings_of_an_instant(edge: Any, text: str, at: datetime) -> None:
    """T and Z may be small, a space may stand for T; the offset counts; the answer is in UTC."""
    found = edge(text)
    assert (found, found.tzinfo) == (at, UTC)


# A date alone is the end of that day in a file.
MEANT_OTHERWISE = {imported: {"2026-01-31"}}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_instant(edge: Any, text: str) -> None:
    """Other forms of ISO 8601, leap seconds, 24:00, offsets of a day or of 60 minutes: refused."""
    if text not in MEANT_OTHERWISE.get(edge, ()):
        with pytest.raises(REFUSALS):
            edge(text)


@pytest.mark.parametrize(
    ("fraction", "micros"),
    [("1", 100_000), ("123456", 123_456), ("1234569", 123_456), ("0" * 17 + "1", 0)],
)
def test_fractions_are_cut_off_after_the_microsecond(fraction: str, micros: int) -> None:
    """A fraction has 1 to 18 digits; as an instant it counts to the microsecond, cut off."""
    text = f"2026-01-31T12:00:00.{fraction}Z"
    assert read_instant(text) == NOON.replace(microsecond=micros)
    assert read_parts(text) == (int(NOON.timestamp()), fraction)


def test_fractions_have_18_digits_at_most() -> None:
    """A fraction of 19 digits is refused, and in the contract one of ten: it counts nanoseconds."""
    for read in (read_instant, read_parts):
        with pytest.raises(NotAnInstant):
            read(f"2026-01-31T12:00:00.{'0' * 19}Z")
    assert transcoded(f"2026-01-31T12:00:00.{'0' * 9}Z") == NOON
    with pytest.raises(Problem):
        transcoded(f"2026-01-31T12:00:00.{'0' * 10}Z")


def test_seconds_are_counted_from_1970() -> None:
    """Parts are whole seconds since 1970, before it negative, and the digits of the fraction."""
    assert read_parts("1970-01-01T01:00:00+01:00") == (0, "")
    assert read_parts("1969-12-31T23:59:59.25Z") == (-1, "25")
    assert read_parts("0001-01-01T00:00:00Z") == (-62_135_596_800, "")
    assert read_parts("9999-12-31T23:59:59Z") == (253_402_300_799, "")
