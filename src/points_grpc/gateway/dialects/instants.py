"""Instants as the vendors write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def with_milliseconds(at: Timestamp) -> str:
    """As in `2022-06-30T11:00:00.000Z`; what is finer than a millisecond is cut off."""
    moment = _EPOCH + timedelta(seconds=at.seconds, microseconds=at.nanos // 1000)
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"
