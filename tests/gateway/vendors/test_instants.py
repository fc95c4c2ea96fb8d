"""Instants as the vendors write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from points_grpc.gateway.vendors.instants import with_milliseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@given(st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)))
@example(FIRST)
@example(LAST)
def test_as_datetime_would(at: datetime) -> None:
    """Any instant of the contract is written as datetime writes it, with the letter Z."""
    microseconds = (at - EPOCH) // timedelta(microseconds=1)
    seconds, rest = divmod(microseconds, 1_000_000)
    written = with_milliseconds(Timestamp(seconds=seconds, nanos=rest * 1000))
    assert written == at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
